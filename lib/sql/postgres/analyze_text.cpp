#include "sql/postgres/analyze_text.hpp"

#include <pthread.h>
#include <sys/mman.h>

#include <functional>

#include "base/encoding.hpp"
#include "sql/postgres/dialect.hpp"
#include "sql/postgres/parse.hpp"

namespace dbguard::sql::postgres {
namespace {

// Address space, not memory: only the pages that a deep text touches are ever there.
constexpr std::size_t large_stack_bytes = std::size_t{512} << 20;

// Runs `work` to its end on a thread with a large stack; the caller waits. False when the system gives none.
bool with_large_stack(const std::function<void()>& work) {
    void* stack = ::mmap(nullptr, large_stack_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED) return false;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stack, large_stack_bytes);
    pthread_t thread{};
    const auto entry = [](void* argument) -> void* {
        (*static_cast<const std::function<void()>*>(argument))();
        return nullptr;
    };
    const bool started = pthread_create(&thread, &attributes, entry, const_cast<std::function<void()>*>(&work)) == 0;
    pthread_attr_destroy(&attributes);
    if (started) pthread_join(thread, nullptr);
    ::munmap(stack, large_stack_bytes);
    return started;
}

}  // namespace

Analysis analyze_text(std::string_view text, const Names& names) {
    Analysis out;
    if (text.find('\0') != std::string_view::npos) {
        out.unparsed = "the text holds a NUL";
        out.unparsed_at = static_cast<std::uint32_t>(text.find('\0'));
        return out;
    }
    if (!is_valid_utf8(text)) {
        out.unparsed = "the text is not valid UTF-8";
        return out;
    }
    const std::size_t depth = depth_bound(text);
    if (depth > max_depth) {
        out.unparsed = "the statement is nested too deep, or one expression is too long";
        return out;
    }
    const auto analysed = [&] {
        Parsed parsed = parse(text);
        if (!parsed.error.empty()) {
            out.unparsed = std::move(parsed.error);
            out.unparsed_at = parsed.error_at;
            return;
        }
        out = analyze(parsed.statements, names, dialect());
    };
    // A fault of ours on some text must not end the sessions of others: it is one more text that is not understood.
    const auto work = [&] {
        try {
            analysed();
        } catch (const std::exception&) {
            out = Analysis{};
            out.unparsed = "the analysis failed";
        }
    };
    if (depth <= shallow_depth) work();
    else if (!with_large_stack(work)) out.unparsed = "no memory to analyse a statement this deep";
    return out;
}

}  // namespace dbguard::sql::postgres
