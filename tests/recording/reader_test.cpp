#include "recording/reader.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>

#include "sample.hpp"

using namespace dbguard;
using namespace dbguard::recording;
using Outcome = Verification::Outcome;

namespace {

Verification check(std::string_view bytes) {
    auto reader = Reader::from_memory(bytes);
    return verify(reader);
}

std::string_view code(const Verification& verification) {
    return verification.error ? verification.error->code : std::string_view();
}

/// Lines of a recording, each with its newline.
std::vector<std::string> lines(const std::string& bytes) {
    std::vector<std::string> found;
    for (std::size_t at = 0; at < bytes.size();) {
        const auto end = bytes.find('\n', at) + 1;
        found.push_back(bytes.substr(at, end - at));
        at = end;
    }
    return found;
}

std::string joined(const std::vector<std::string>& lines) {
    std::string all;
    for (const auto& line : lines) all += line;
    return all;
}

}  // namespace

TEST_CASE("what the writer wrote holds from head to end") {
    const std::string bytes = sample::recording();
    const auto verification = check(bytes);
    CHECK(verification.outcome == Outcome::complete);
    CHECK(verification.session == "s_8Q2M");
    CHECK(verification.whole_bytes == bytes.size());
    CHECK(verification.lines == std::ranges::count(bytes, '\n'));

    auto reader = Reader::from_memory(bytes);
    std::string types;
    std::uint64_t offset = 0;
    for (auto line = reader.next(); line.value(); line = reader.next()) {
        types.append((*line)->type).push_back(' ');
        CHECK((*line)->offset == offset);
        offset += (*line)->bytes.size() + 1;
    }
    CHECK(types == "head stmt cols rows note done stmt stmt approval decision sent err state cancel limit gap end ");
    CHECK_FALSE(reader.next().value().has_value());
}

TEST_CASE("the format page's example of a log holds") {
    // recording-format.md: written by another program, without a seal.
    const auto verification = check(sample::read(DBGUARD_SOURCE_DIR "/tests/recording/example.dbgl"));
    CHECK(verification.outcome == Outcome::complete);
    CHECK(verification.lines == 7);
}

TEST_CASE("a recording cut at any byte is torn or unended, and what was whole holds") {
    const std::string bytes = sample::recording();
    for (std::size_t size = 0; size < bytes.size(); ++size) {
        const auto verification = check(std::string_view(bytes).substr(0, size));
        CAPTURE(size);
        CAPTURE(text(verification));
        if (size == 0) {
            CHECK(verification.outcome == Outcome::unreadable);
            CHECK(code(verification) == errc::not_a_recording);
        } else if (bytes[size - 1] == '\n') {
            CHECK(verification.outcome == Outcome::unended);
            CHECK(verification.whole_bytes == size);
        } else {
            CHECK(verification.outcome == Outcome::torn);
            CHECK(code(verification) == errc::torn_tail);
            CHECK(verification.whole_bytes + verification.torn_bytes == size);
        }
        // The same with the zeros of a mapped file behind it.
        if (size == 0) continue;
        for (const std::size_t zeros : {1, 4096, 300000}) {
            const auto padded = check(bytes.substr(0, size) + std::string(zeros, '\0'));
            CHECK(padded.outcome == verification.outcome);
            CHECK(padded.padding_bytes == zeros);
            CHECK(padded.chain_head == verification.chain_head);
        }
    }
}

TEST_CASE("any flipped bit is noticed, and taken for a torn tail only in the last newline") {
    for (const bool ended : {true, false}) {
        const std::string good = sample::recording(ended);
        const auto last_line = good.rfind('\n', good.size() - 2) + 1;
        for (std::size_t i = 0; i < good.size(); ++i) {
            for (int bit = 0; bit < 8; ++bit) {
                std::string bytes = good;
                bytes[i] = static_cast<char>(bytes[i] ^ (1 << bit));
                const auto verification = check(bytes);
                CAPTURE(i);
                CAPTURE(bit);
                CAPTURE(text(verification));
                if (i + 1 == good.size()) {
                    CHECK(verification.outcome != Outcome::complete);
                    CHECK(verification.outcome != Outcome::unended);
                    continue;
                }
                // Nothing carries the hash of the last line of a recording without an end: only its form can be checked.
                if (!ended && i >= last_line) continue;
                const bool changed = verification.outcome == Outcome::broken || verification.outcome == Outcome::unreadable;
                CHECK(changed);
            }
        }
    }
}

TEST_CASE("lines that are removed, doubled, swapped or added are noticed") {
    const auto good = lines(sample::recording());
    for (std::size_t i = 0; i < good.size(); ++i) {
        CAPTURE(i);
        auto removed = good;
        removed.erase(removed.begin() + static_cast<std::ptrdiff_t>(i));
        const auto without = check(joined(removed));
        if (i + 1 == good.size())
            CHECK(without.outcome == Outcome::unended);
        else if (i == 0)
            CHECK(without.outcome == Outcome::broken);
        else
            CHECK(code(without) == errc::wrong_number);
        auto doubled = good;
        doubled.insert(doubled.begin() + static_cast<std::ptrdiff_t>(i), good[i]);
        CHECK(check(joined(doubled)).outcome == Outcome::broken);
        if (i + 1 < good.size()) {
            auto swapped = good;
            std::swap(swapped[i], swapped[i + 1]);
            CHECK(check(joined(swapped)).outcome == Outcome::broken);
        }
    }
    CHECK(code(check(joined(good) + "{}\n")) == errc::after_end);
    CHECK(code(check(joined(good) + "x")) == errc::after_end);
    // Put there by somebody who did not know how the next line would begin.
    CHECK(code(check(sample::recording(false) + "x")) == errc::broken_chain);
}

TEST_CASE("each kind of damage has a code of its own") {
    const std::string good = sample::recording();
    const auto replaced = [&](std::string_view what, std::string_view with) {
        std::string bytes = good;
        const auto found = bytes.find(what);
        REQUIRE(found != std::string::npos);
        return code(check(bytes.replace(found, what.size(), with)));
    };
    CHECK(replaced("FROM customers", "FROM customerz") == errc::broken_chain);
    CHECK(replaced("{\"n\":3,", "{\"n\":4,") == errc::wrong_number);
    CHECK(replaced("{\"n\":3,", "{\"n\":03,") == errc::wrong_number);
    CHECK(replaced("\"n\":3,\"p\"", "\"p\":\"\",\"n\":3,\"p\"") == errc::malformed_line);
    CHECK(replaced(",\"why\":\"client\"", ",\"why\":\"limit\"") == errc::broken_seal);
    CHECK(replaced("\"v\":1", "\"v\":2") == errc::unsupported_version);
    CHECK(replaced("\"v\":1,", "") == errc::unsupported_version);
    CHECK(replaced("\"t\":\"head\"", "\"t\":\"stmt\"") == errc::not_a_recording);
    CHECK(replaced("\"t\":\"note\"", "\"t\":\"head\"") == errc::malformed_line);
    CHECK(replaced("\"tx\":\"T\"", "\"tx\":\"T") == errc::malformed_line);
    CHECK(replaced("\"tx\":\"T\"", "\"tx\":\"T\",\"t\":\"done\"") == errc::malformed_line);
    CHECK(replaced("\"tx\":\"T\"", std::string("\"tx\":\"\0\"", 8)) == errc::malformed_line);
    CHECK(replaced("\"tx\":\"T\"", "\"tx\":" + std::string(100, '[') + std::string(100, ']')) == errc::malformed_line);
    CHECK(code(check("hello\n")) == errc::not_a_recording);
    CHECK(code(check("hello")) == errc::not_a_recording);
    CHECK(code(check(std::string(5000, '\0'))) == errc::not_a_recording);
    CHECK(code(check("{}\n")) == errc::not_a_recording);
    CHECK(code(check("[1]\n")) == errc::not_a_recording);
}

TEST_CASE("a line longer than the limit is refused before it is held") {
    std::string bytes = sample::recording();
    auto reader = Reader::from_memory(bytes, 100);
    CHECK(reader.next().error().code == errc::line_too_long);
    CHECK(reader.next().error().code == errc::line_too_long);

    sample::Directory directory;
    const std::string path = directory.path + "/long.dbgl";
    sample::write(path, std::string(1000000, 'x'));
    auto from_file = Reader::open(path, 100000);
    CHECK(from_file->next().error().code == errc::line_too_long);
}

TEST_CASE("a line of any length up to the limit is read across the pieces of a file") {
    sample::Directory directory;
    auto writer = Writer::create(directory.path, sample::head()).value();
    for (const std::size_t size : {1, 65000, 65536, 65537, 131072, 700001}) {
        const std::string about = describe({.sql = std::string(size, 's')}, {.verdict = "allow"});
        writer->append(Statement{.at = sample::at(), .form = "simple", .about = about, .sent = true});
    }
    REQUIRE(writer->end(sample::end).has_value());
    const auto verification = verify_file(writer->path());
    CHECK(verification.outcome == Outcome::complete);
    CHECK(verification.lines == 8);
}

TEST_CASE("what is no regular file is not read") {
    sample::Directory directory;
    CHECK(code(verify_file(directory.path + "/none.dbgl")) == errc::cannot_read);
    CHECK(code(verify_file(directory.path)) == errc::cannot_read);
    const std::string pipe = directory.path + "/pipe.dbgl";
    REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
    CHECK(code(verify_file(pipe)) == errc::cannot_read);
}

TEST_CASE("a Python verifier of ten lines accepts what we write and finds what was changed") {
    if (std::system("python3 -c 'pass' 2>/dev/null") != 0) {
        MESSAGE("skipped: no python3");
        return;
    }
    sample::Directory directory;
    const std::string script = directory.path + "/verify.py", path = directory.path + "/s.dbgl";
    sample::write(script, R"(import sys,json,hashlib
p="0"*64
for i,l in enumerate(open(sys.argv[1],'rb').read().split(b'\n')[:-1]):
    o=json.loads(l)
    if (o["n"],o["p"])!=(i,p): sys.exit(f"broken at line {i}")
    p=hashlib.sha256(l).hexdigest()
if p!=sys.argv[2]: sys.exit("another head")
)");
    const auto run = [&](const std::string& bytes, const std::string& head) {
        sample::write(path, bytes);
        return std::system(("python3 " + script + " " + path + " " + head + " 2>/dev/null").c_str());
    };
    const std::string good = sample::recording();
    const std::string head = check(good).chain_head;
    CHECK(run(good, head) == 0);
    CHECK(run(sample::read(DBGUARD_SOURCE_DIR "/tests/recording/example.dbgl"),
              check(sample::read(DBGUARD_SOURCE_DIR "/tests/recording/example.dbgl")).chain_head) == 0);
    std::string bad = good;
    bad[bad.find("customers WHERE")] = 'C';
    CHECK(run(bad, head) != 0);
}
