// Masks values of every kind in both formats. Holds: NULL leaves `out` as it was; what comes out is
// understood again and, for functions whose result hides itself, masks to itself.

#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/encoding.hpp"
#include "masking/apply.hpp"

using namespace dbguard;
using namespace dbguard::masking;

namespace {

Type type_of(unsigned choice, unsigned depth) {
    static constexpr const char* names[] = {
        "text", "varchar", "bpchar",    "name",        "char",     "bool",  "int2",
        "int4", "int8",    "float4",    "float8",      "numeric",  "money", "date",
        "time", "timetz",  "timestamp", "timestamptz", "interval", "uuid",  "bytea",
        "bit",  "json",    "jsonb",     "hstore",      "x",
    };
    constexpr unsigned count = std::size(names);
    const unsigned kind = choice % (count + 3);
    Type type;
    if (kind < count)
        return postgres_type(
            names[kind], 0, choice % 5 == 0 ? static_cast<std::int32_t>(choice % 64) : -1
        );
    if (kind == count) {
        type.kind = Kind::enumeration;
        type.labels = {"***", "a", ""};
    } else if (depth > 2) {
        type.kind = Kind::text;
    } else if (kind == count + 1) {
        type.kind = Kind::array;
        type.element = std::make_shared<Type>(type_of(choice / 7, depth + 1));
    } else {
        type.kind = Kind::composite;
        type.fields = {
            {"a", std::make_shared<Type>(type_of(choice / 3, depth + 1))},
            {"b", std::make_shared<Type>(type_of(choice / 11, depth + 1))}};
    }
    return type;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 4) return 0;
    static constexpr const char* masks[] = {
        "null",
        "redact",
        "replace",
        "hash",
        "zero",
        "bucket(7)",
        "date(year)",
        "date(month)",
        "email",
        "first(1)",
        "last(2)",
        "partial(1,1)",
        "keep",
    };
    static constexpr const char* styles[] = {
        "ISO, MDY", "SQL, DMY", "SQL, MDY", "German, DMY", "Postgres, MDY", "Postgres, DMY", "?"};
    static constexpr const char* encodings[] = {"UTF8", "LATIN1", "EUC_JP", "SJIS"};
    Masker masker{Secret("key")};
    Mask mask = parse_mask(masks[data[0] % std::size(masks)]).value();
    if (data[0] >= 128) mask.keys = {{"a"}, {"b", "a"}};
    if (data[3] % 16 == 1) mask.detectors = {"email", "phone", "credit_card"};
    masker.set_parameter("DateStyle", styles[data[3] % std::size(styles)]);
    masker.set_parameter("client_encoding", encodings[data[3] / 16 % std::size(encodings)]);
    const Type type = type_of(data[1] + 256U * (data[2] / 2), 0);
    const Format format = data[2] % 2 == 0 ? Format::text : Format::binary;
    const std::string value(reinterpret_cast<const char*>(data) + 4, size - 4);

    std::string out = "before";
    const bool null = masker.apply(mask, type, format, value, out) == Applied::null;
    if (!out.starts_with("before") || (null && out != "before")) std::abort();
    out.erase(0, 6);
    const bool utf8 = masker.settings().encoding == Encoding::utf8 && type.kind == Kind::text;
    if (!null && utf8 && is_valid_utf8(value) && !is_valid_utf8(out)) std::abort();
    // Redacting twice is redacting once: so the first result was understood.
    if (!null && mask.function == Function::redact && mask.detectors.empty()) {
        std::string again;
        if (masker.apply(mask, type, format, out, again) == Applied::null || again != out)
            std::abort();
    }
    std::string in_place = value;
    // Where the value is longer than its type allows, apply() says NULL.
    if (masker.apply_in_place(mask, type, in_place) && !null && in_place != out) std::abort();
    return 0;
}
