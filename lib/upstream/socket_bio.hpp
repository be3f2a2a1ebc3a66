#pragma once

#include <openssl/bio.h>

namespace dbguard::upstream {

/// A BIO on a socket it does not own. OpenSSL's own writes with write(), which raises SIGPIPE when the server is gone; this one
/// uses send() with MSG_NOSIGNAL. Empty when memory is.
BIO* new_socket_bio(int fd);

}  // namespace dbguard::upstream
