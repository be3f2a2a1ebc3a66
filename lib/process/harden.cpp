#include "process/harden.hpp"

#include <openssl/crypto.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdlib>
#include <cstring>

namespace dbguard::process {

void protect_memory() {
    const rlimit no_core{0, 0};
    ::setrlimit(RLIMIT_CORE, &no_core);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#if __has_feature(address_sanitizer)
    std::atexit([] { ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); });
#endif
}

void wipe(char* bytes, std::size_t count) { OPENSSL_cleanse(bytes, count); }

Secret take_variable(const char* name) {
    char* value = std::getenv(name);
    if (value == nullptr) return Secret();
    Secret taken{std::string(value)};
    wipe(value, std::strlen(value));
    ::unsetenv(name);
    return taken;
}

}  // namespace dbguard::process
