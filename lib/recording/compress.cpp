#include "recording/compress.hpp"

#include <zstd.h>

#include <memory>

namespace dbguard::recording {
namespace {

// Half the time of the default level, and a tenth more bytes: it is done while the client waits for its rows.
constexpr int level = 1;

struct Free {
    void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
    void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

std::string compressed(std::string_view bytes) {
    // Kept: making one costs more than a batch.
    static thread_local const std::unique_ptr<ZSTD_CCtx, Free> context(ZSTD_createCCtx());
    std::string out(ZSTD_compressBound(bytes.size()), '\0');
    const std::size_t size = context == nullptr ? 0 : ZSTD_compressCCtx(context.get(), out.data(), out.size(), bytes.data(), bytes.size(), level);
    out.resize(ZSTD_isError(size) != 0 ? 0 : size);
    return out;
}

std::optional<std::string> decompressed(std::string_view frame) {
    const unsigned long long size = ZSTD_getFrameContentSize(frame.data(), frame.size());
    if (size == ZSTD_CONTENTSIZE_ERROR || size == ZSTD_CONTENTSIZE_UNKNOWN || size > most_unpacked_bytes) return std::nullopt;
    const std::unique_ptr<ZSTD_DCtx, Free> context(ZSTD_createDCtx());
    std::string out(static_cast<std::size_t>(size), '\0');
    if (context == nullptr || ZSTD_decompressDCtx(context.get(), out.data(), out.size(), frame.data(), frame.size()) != out.size()) return std::nullopt;
    return out;
}

}  // namespace dbguard::recording
