#pragma once

// A throwaway certificate authority with one server certificate, for `serve --dev` and for tests. Never for production: the
// authority's key is dropped at once, so nothing else can be issued by it.

#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/secret.hpp"

namespace dbguard::net {

struct DevCertificate {
    std::string ca;     ///< PEM, what clients are to trust
    std::string chain;  ///< PEM, the server's certificate
    Secret key;         ///< PEM, the server's key
};

/// Valid for `days` from a day ago. `names` are DNS names or IP addresses; the first is the subject's common name.
/// Throws when OpenSSL cannot (no entropy, no memory).
DevCertificate make_dev_certificate(const std::vector<std::string>& names, int days);

}  // namespace dbguard::net
