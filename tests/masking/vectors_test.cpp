// tests/vectors/masking.tsv: values as a PostgreSQL 15 server sent them, text (t) and binary (b),
// and what has to come instead. The expectations come from an independent model of the mask
// functions. Columns: mask (`function`, `function|key,key`, `function!detector,detector`), type,
// format, settings, value, result (`=` and the bytes, or NULL).

#include <doctest/doctest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "masking/apply.hpp"

using namespace dbguard;
using namespace dbguard::masking;

namespace {

std::vector<std::string> split(std::string_view text, char by) {
    std::vector<std::string> parts;
    for (;;) {
        const auto end = text.find(by);
        parts.emplace_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + 1);
    }
}

/// `=a\x00b` → bytes; `NULL` → empty.
std::optional<std::string> bytes(std::string_view text) {
    if (text == "NULL") return {};
    std::string out;
    for (std::size_t at = 1; at < text.size(); ++at) {
        if (text[at] != '\\') {
            out.push_back(text[at]);
            continue;
        }
        out.push_back(static_cast<char>(std::stoi(std::string(text.substr(at + 2, 2)), nullptr, 16))
        );
        at += 3;
    }
    return out;
}

/// `varchar(12)`, `numeric(12,2)`, `int4[]`, `enum(A|B)`, `row(name:type,…)`.
Type type_of(std::string text) {
    Type type;
    if (text.ends_with("[]")) {
        type.kind = Kind::array;
        type.element = std::make_shared<Type>(type_of(text.substr(0, text.size() - 2)));
        return type;
    }
    const auto open = text.find('(');
    const std::string name = text.substr(0, open);
    const std::string arguments =
        open == std::string::npos ? "" : text.substr(open + 1, text.size() - open - 2);
    if (name == "row") {
        type.kind = Kind::composite;
        for (const std::string& field : split(arguments, ',')) {
            const auto colon = field.find(':');
            type.fields.push_back(
                {field.substr(0, colon), std::make_shared<Type>(type_of(field.substr(colon + 1)))}
            );
        }
        return type;
    }
    if (name == "enum") {
        type.kind = Kind::enumeration;
        type.labels = split(arguments, '|');
        return type;
    }
    if (name == "range") {
        type.kind = Kind::range;
        return type;
    }
    std::int32_t modifier = -1;
    if (name == "numeric" && !arguments.empty()) {
        const auto parts = split(arguments, ',');
        modifier = (std::stoi(parts[0]) << 16 | (std::stoi(parts[1]) & 0x7ff)) + 4;
    } else if (!arguments.empty()) {
        modifier = std::stoi(arguments) + 4;
    }
    return postgres_type(name, 1, modifier);
}

Mask mask_of(const std::string& text) {
    const auto detectors = text.find('!');
    const auto keys = text.find('|');
    Mask mask = parse_mask(text.substr(0, std::min(detectors, keys))).value();
    if (detectors != std::string::npos)
        mask.detectors = split(std::string_view(text).substr(detectors + 1), ',');
    if (keys != std::string::npos)
        for (const std::string& path : split(std::string_view(text).substr(keys + 1), ','))
            mask.keys.push_back(split(path, '.'));
    return mask;
}

/// A json text's events, so that two spellings compare equal and members keep their order and
/// duplicates.
struct Events : nlohmann::json_sax<nlohmann::json> {
    std::string text;
    bool put(const std::string& event) { return text.append(event).append("\n"), true; }
    bool null() override { return put("null"); }
    bool boolean(bool value) override { return put(value ? "true" : "false"); }
    bool number_integer(number_integer_t value) override { return put(std::to_string(value)); }
    bool number_unsigned(number_unsigned_t value) override { return put(std::to_string(value)); }
    bool number_float(number_float_t, const std::string& spelled) override { return put(spelled); }
    bool string(std::string& value) override { return put("s" + value); }
    bool binary(binary_t&) override { return false; }
    bool start_object(std::size_t) override { return put("{"); }
    bool key(std::string& value) override { return put("k" + value); }
    bool end_object() override { return put("}"); }
    bool start_array(std::size_t) override { return put("["); }
    bool end_array() override { return put("]"); }
    bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
        return false;
    }
};

std::string events(std::string_view json) {
    if (json.starts_with('\1')) json.remove_prefix(1);
    Events events;
    REQUIRE(nlohmann::json::sax_parse(json, &events));
    return events.text;
}

}  // namespace

TEST_CASE("values come out as the vectors say") {
    std::ifstream file(DBGUARD_SOURCE_DIR "/tests/vectors/masking.tsv");
    REQUIRE(file);
    std::size_t count = 0;
    for (std::string line; std::getline(file, line);) {
        CAPTURE(line);
        const auto columns = split(line, '\t');
        REQUIRE(columns.size() == 6);
        Masker masker{Secret("a key of thirty-two bytes, fixed!")};
        if (columns[3] != "-") {
            auto value = columns[3].substr(columns[3].find('=') + 1);
            if (const auto slash = value.find('/'); slash != std::string::npos)
                value.replace(slash, 1, ", ");
            masker.set_parameter(columns[3].substr(0, columns[3].find('=')), value);
        }
        const Type type = type_of(columns[1]);
        const auto value = bytes(columns[4]);
        const auto expected = bytes(columns[5]);
        ++count;
        if (!value) {
            CHECK(!expected);
            continue;
        }
        std::string out = "before ";
        const Applied applied = masker.apply(
            mask_of(columns[0]),
            type,
            columns[2] == "b" ? Format::binary : Format::text,
            *value,
            out
        );
        REQUIRE(out.starts_with("before "));
        out.erase(0, 7);
        if (!expected) {
            CHECK(applied == Applied::null);
            CHECK(out.empty());
            continue;
        }
        REQUIRE(applied == Applied::value);
        if (type.kind == Kind::json || type.kind == Kind::jsonb) {
            CHECK(out.starts_with('\1') == expected->starts_with('\1'));
            CHECK(events(out) == events(*expected));
        } else {
            CHECK(out == *expected);
        }
    }
    CHECK(count > 1000);
}
