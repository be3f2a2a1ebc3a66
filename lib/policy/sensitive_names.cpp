#include "policy/sensitive_names.hpp"

#include <algorithm>
#include <array>

namespace dbguard::policy {
namespace {

// Words as columns are named by; two words with a blank between them stand in a row.
constexpr auto column_words = std::to_array<std::string_view>({
    "email", "e mail", "mail address", "phone", "mobile", "msisdn", "fax",
    "ssn", "social security", "national id", "tax id", "tax number", "tin", "vat id", "passport", "license number", "licence number", "driver license",
    "iban", "bic", "account number", "routing number", "card number", "cardnumber", "credit card", "pan", "cvv", "cvc",
    "password", "passwd", "pwd", "passphrase", "secret", "token", "api key", "apikey", "private key", "access key", "credential", "credentials", "otp", "pin",
    "birth", "birthday", "birthdate", "dob", "salary", "wage", "income",
    "surname", "last name", "lastname", "maiden name", "street", "postal address", "home address", "diagnosis", "medical", "blood type", "religion", "ethnicity",
    "ip address", "geolocation",
});

constexpr auto table_words = std::to_array<std::string_view>({
    "credential", "credentials", "password", "passwords", "secret", "secrets", "token", "tokens", "api key", "api keys",
    "salary", "salaries", "payroll", "patient", "patients", "diagnoses", "payment methods", "credit cards",
});

/// ` card number `: lower-case words with one blank around each.
std::string words_of(std::string_view name) {
    std::string out = " ";
    bool lower_before = false;
    for (const char c : name) {
        const bool upper = c >= 'A' && c <= 'Z';
        const bool letter = upper || (c >= 'a' && c <= 'z') || (c & 0x80) != 0;
        if ((!letter || (upper && lower_before)) && out.back() != ' ') out += ' ';
        if (letter) out += upper ? static_cast<char>(c - 'A' + 'a') : c;
        lower_before = letter && !upper;
    }
    if (out.back() != ' ') out += ' ';
    return out;
}

template <std::size_t n>
std::string find_word(std::string_view name, const std::array<std::string_view, n>& words) {
    const auto text = words_of(name);
    const auto found = std::find_if(words.begin(), words.end(), [&](std::string_view word) {
        return text.find(' ' + std::string(word) + ' ') != std::string::npos;
    });
    return found == words.end() ? std::string() : std::string(*found);
}

}  // namespace

std::string sensitive_word(std::string_view column) { return find_word(column, column_words); }
std::string sensitive_table_word(std::string_view table) { return find_word(table, table_words); }

}  // namespace dbguard::policy
