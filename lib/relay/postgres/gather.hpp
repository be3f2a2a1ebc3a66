#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dbguard::relay::postgres {

/// What is to be sent to one side: runs borrowed from where they were read, and bytes of our own, in order. Nothing is
/// allocated per message once it has grown; one pair serves all connections of a thread.
class Gather {
  public:
    /// Goes on as it stands; must stay where it is until clear(). Runs that touch become one.
    void borrow(std::string_view bytes) {
        if (bytes.empty()) return;
        bytes_ += bytes.size();
        if (!pieces_.empty() && pieces_.back().at != nullptr &&
            pieces_.back().at + pieces_.back().size == bytes.data()) {
            pieces_.back().size += bytes.size();
            return;
        }
        pieces_.push_back({bytes.data(), 0, bytes.size()});
    }
    /// Our own bytes are appended to this string; then commit() takes what was added.
    std::string& own() { return owned_; }
    void commit() {
        if (owned_.size() == committed_) return;
        const std::size_t added = owned_.size() - committed_;
        bytes_ += added;
        if (!pieces_.empty() && pieces_.back().at == nullptr)
            pieces_.back().size += added;
        else
            pieces_.push_back({nullptr, committed_, added});
        committed_ = owned_.size();
    }

    bool empty() const { return bytes_ == 0; }
    std::size_t size_bytes() const { return bytes_; }
    /// Valid until the next change.
    std::span<const iovec> parts() {
        parts_.clear();
        for (const auto& piece : pieces_) {
            const char* at = piece.at != nullptr ? piece.at : owned_.data() + piece.offset;
            parts_.push_back({const_cast<char*>(at), piece.size});
        }
        return parts_;
    }
    /// For tests and leftovers: everything behind the first `skip` bytes as one string.
    std::string text(std::size_t skip = 0) {
        std::string all;
        all.reserve(bytes_ - skip);
        for (const auto& part : parts()) {
            const std::string_view piece(static_cast<const char*>(part.iov_base), part.iov_len);
            if (skip >= piece.size())
                skip -= piece.size();
            else
                all.append(piece.substr(std::exchange(skip, 0)));
        }
        return all;
    }
    void clear() {
        pieces_.clear();
        owned_.clear();
        if (owned_.capacity() > 1024 * 1024) owned_.shrink_to_fit();
        committed_ = bytes_ = 0;
    }

  private:
    struct Piece {
        const char* at;  ///< null: owned, at `offset`
        std::size_t offset;
        std::size_t size;
    };
    std::vector<Piece> pieces_;
    std::vector<iovec> parts_;
    std::string owned_;
    std::size_t committed_ = 0;
    std::size_t bytes_ = 0;
};

/// What comes of one step, and the memory that it borrows from.
struct Output {
    Gather to_server;
    Gather to_client;

    /// Keeps `bytes` until clear().
    std::span<char> keep(std::string bytes) {
        kept_.push_back(std::move(bytes));
        return kept_.back();
    }
    void clear() {
        to_server.clear();
        to_client.clear();
        if (!kept_.empty()) kept_.clear();
    }

  private:
    std::deque<std::string> kept_;
};

}  // namespace dbguard::relay::postgres
