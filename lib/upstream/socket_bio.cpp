#include "upstream/socket_bio.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstdint>

namespace dbguard::upstream {
namespace {

int fd_of(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

bool is_temporary(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

int write_some(BIO* bio, const char* bytes, std::size_t size, std::size_t* written) {
    BIO_clear_retry_flags(bio);
    const auto count = ::send(fd_of(bio), bytes, size, MSG_NOSIGNAL);
    if (count < 0) {
        if (is_temporary(errno)) BIO_set_retry_write(bio);
        return 0;
    }
    *written = static_cast<std::size_t>(count);
    return 1;
}

int read_some(BIO* bio, char* bytes, std::size_t size, std::size_t* count) {
    BIO_clear_retry_flags(bio);
    const auto received = ::recv(fd_of(bio), bytes, size, 0);
    if (received <= 0) {
        if (received < 0 && is_temporary(errno)) BIO_set_retry_read(bio);
        if (received == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
        return 0;
    }
    *count = static_cast<std::size_t>(received);
    return 1;
}

long control(BIO* bio, int command, long, void*) {
    switch (command) {
        case BIO_CTRL_FLUSH:
        case BIO_CTRL_DUP:
            return 1;
        case BIO_CTRL_EOF:
            return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0 ? 1 : 0;
        default:
            return 0;
    }
}

BIO_METHOD* method() {
    static BIO_METHOD* const made = [] {
        BIO_METHOD* m =
            BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
        if (m != nullptr) {
            BIO_meth_set_write_ex(m, write_some);
            BIO_meth_set_read_ex(m, read_some);
            BIO_meth_set_ctrl(m, control);
        }
        return m;
    }();
    return made;
}

}  // namespace

BIO* new_socket_bio(int fd) {
    if (method() == nullptr) return nullptr;
    BIO* bio = BIO_new(method());
    if (bio == nullptr) return nullptr;
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
    BIO_set_init(bio, 1);
    return bio;
}

}  // namespace dbguard::upstream
