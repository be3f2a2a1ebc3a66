// make_transcript FOLDER < TAP > TRANSCRIPT: see recording.hpp; scripts/new_transcript runs it.

#include <iostream>
#include <iterator>

#include "files.hpp"
#include "recording.hpp"

int main(int argc, char** argv) try {
    using namespace dbguard::transcripts;
    if (argc != 2) throw std::runtime_error("usage: make_transcript FOLDER < TAP");
    const std::string tap{std::istreambuf_iterator<char>(std::cin), {}};
    auto player = postgres_player(argv[1]);
    const auto made = transcript_of(tap, player);
    if (!made) throw std::runtime_error(made.error().text());
    std::cout << print(*made);
    return 0;
} catch (const std::exception& error) {
    std::cerr << "make_transcript: " << error.what() << "\n";
    return 1;
}
