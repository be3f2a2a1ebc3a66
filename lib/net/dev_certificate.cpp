#include "net/dev_certificate.hpp"

#include <arpa/inet.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>

namespace dbguard::net {
namespace {

template <auto free_function>
struct Free {
    template <class T>
    void operator()(T* object) const {
        free_function(object);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Number = std::unique_ptr<BIGNUM, Free<BN_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Free<X509_EXTENSION_free>>;

void require(bool done, const char* what) {
    if (!done) throw std::runtime_error(std::string("OpenSSL cannot ") + what);
}

Key make_key() {
    Key key(EVP_EC_gen("P-256"));
    require(key != nullptr, "make a key");
    return key;
}

void extend(X509* certificate, X509* issuer, int nid, const std::string& value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
    require(extension && X509_add_ext(certificate, extension.get(), -1), "add an extension");
}

Certificate make_certificate(
    const std::string& common_name, EVP_PKEY* key, X509* issuer, int days
) {
    Certificate certificate(X509_new());
    require(certificate != nullptr, "make a certificate");
    X509* x = certificate.get();
    require(X509_set_version(x, X509_VERSION_3), "set the version");
    const Number serial(BN_new());
    require(
        serial && BN_rand(serial.get(), 127, BN_RAND_TOP_ANY, BN_RAND_BOTTOM_ANY) &&
            BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(x)),
        "set the serial number"
    );
    constexpr long day_s = 24 * 60 * 60;
    require(
        X509_gmtime_adj(X509_getm_notBefore(x), -day_s) && X509_gmtime_adj(X509_getm_notAfter(x), days * day_s),
        "set the dates"
    );
    X509_NAME* subject = X509_get_subject_name(x);
    const auto name = common_name.substr(0, 64);  // X.520: ub-common-name
    require(
        X509_NAME_add_entry_by_txt(
            subject, "CN", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(name.data()),
            static_cast<int>(name.size()), -1, 0
        ),
        "set the name"
    );
    require(X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x)), "set the issuer");
    require(X509_set_pubkey(x, key), "set the key");
    extend(x, issuer ? issuer : x, NID_subject_key_identifier, "hash");
    if (issuer == nullptr) {
        extend(x, x, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
        extend(x, x, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
        extend(x, issuer, NID_authority_key_identifier, "keyid:always");
        extend(x, issuer, NID_basic_constraints, "critical,CA:FALSE");
        extend(x, issuer, NID_key_usage, "critical,digitalSignature");
        extend(x, issuer, NID_ext_key_usage, "serverAuth");
    }
    return certificate;
}

std::string pem(X509* certificate) {
    const Bio bio(BIO_new(BIO_s_mem()));
    require(bio && PEM_write_bio_X509(bio.get(), certificate), "write a certificate");
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return {data, static_cast<std::size_t>(size)};
}

Secret pem(EVP_PKEY* key) {
    const Bio bio(BIO_new(BIO_s_secmem()));
    require(
        bio && PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr),
        "write a key"
    );
    char* data = nullptr;
    const long size = BIO_get_mem_data(bio.get(), &data);
    return Secret(std::string(data, static_cast<std::size_t>(size)));
}

/// `DNS:localhost,IP:127.0.0.1`. Names come from our own program; what could end one entry and begin another is refused.
std::string alternative_names(const std::vector<std::string>& names) {
    std::string list;
    for (const auto& name : names) {
        require(!name.empty() && name.find_first_of(",\n") == std::string::npos, "use this name");
        unsigned char address[16];
        const bool is_address = inet_pton(AF_INET, name.c_str(), address) == 1 ||
                                inet_pton(AF_INET6, name.c_str(), address) == 1;
        if (!list.empty()) list += ',';
        list += (is_address ? "IP:" : "DNS:") + name;
    }
    return list;
}

}  // namespace

DevCertificate make_dev_certificate(const std::vector<std::string>& names, int days) {
    require(!names.empty(), "name a certificate without names");
    const Key ca_key = make_key();
    const Certificate ca = make_certificate("dbguard throwaway authority", ca_key.get(), nullptr, days);
    require(X509_sign(ca.get(), ca_key.get(), EVP_sha256()) > 0, "sign");
    const Key key = make_key();
    const Certificate leaf = make_certificate(names.front(), key.get(), ca.get(), days);
    extend(leaf.get(), ca.get(), NID_subject_alt_name, alternative_names(names));
    require(X509_sign(leaf.get(), ca_key.get(), EVP_sha256()) > 0, "sign");
    return {pem(ca.get()), pem(leaf.get()), pem(key.get())};
}

}  // namespace dbguard::net
