#include "policy/load_masks.hpp"

#include <algorithm>
#include <array>

#include "policy/load_rules.hpp"

namespace dbguard::policy {
namespace {

/// A member path of `keys`: names joined by points; one with a point is written in double quotes.
std::optional<std::vector<std::string>> parse_path(std::string_view text) {
    std::vector<std::string> path;
    for (;;) {
        std::string part;
        std::size_t used = 0;
        if (text.starts_with('"')) {
            for (used = 1; used < text.size(); ++used) {
                if (text[used] == '"') {
                    if (used + 1 >= text.size() || text[used + 1] != '"') break;
                    ++used;
                }
                part.push_back(text[used]);
            }
            if (used >= text.size()) return {};
            ++used;
        } else {
            part = text.substr(0, text.find('.'));
            if (part.find('"') != std::string::npos) return {};
            used = part.size();
        }
        if (part.empty()) return {};
        path.push_back(std::move(part));
        text.remove_prefix(used);
        if (text.empty()) return path;
        if (text.front() != '.') return {};
        text.remove_prefix(1);
    }
}

void mask_function(Fields& fields, const YamlNode& node, masking::Mask& mask) {
    const auto word = fields.text(node, "`with`");
    if (!word) return;
    const auto parsed = masking::parse_mask(*word);
    if (parsed) {
        mask = *parsed;
        return;
    }
    const std::array<std::string_view, 12> functions = {
        "null",     "redact",  "replace",      "hash",       "email",      "keep",
        "zero",     "first(4)", "last(4)", "partial(1,1)", "bucket(10)", "date(year)"};
    const auto near = nearest(*word, functions);
    fields.error(
        node.at, quoted(*word) + " is no mask function",
        "write " + (near.empty() ? one_of_these(functions) : quoted(near))
    );
}

std::vector<std::string> detectors(Fields& fields, const YamlNode& node) {
    static constexpr std::array<std::string_view, 8> known = {"email", "credit_card", "iban",      "ssn",
                                                              "phone", "jwt",         "cloud_key", "private_key"};
    std::vector<std::string> out;
    for (const auto& one : fields.one_or_many(node, "`detect`")) {
        if (std::find(known.begin(), known.end(), one.name) == known.end())
            fields.bad_choice(one.at, "`detect`", one.name, known);
        out.push_back(one.name);
    }
    return out;
}

void mask_keys(Fields& fields, const YamlNode& node, masking::Mask& mask) {
    for (const auto& one : fields.list(node, "`keys`", 1, false)) {
        auto path = parse_path(one.name);
        if (path)
            mask.keys.push_back(std::move(*path));
        else
            fields.error(
                one.at, "`keys`: " + quoted(one.name) + " is no path of member names",
                "write names joined by points, such as `contact.email`"
            );
    }
}

std::optional<MaskRule> mask_rule(Fields& fields, const YamlNode& node) {
    if (!fields.map(node, "a mask", {"column", "tag", "detect", "in", "keys", "with"}, {"with"})) return {};
    MaskRule rule;
    rule.at = node.at;
    const auto* column = node.find("column");
    const auto* tag = node.find("tag");
    const auto* detect = node.find("detect");
    const auto* in = node.find("in");
    if (!column && !tag && !detect)
        fields.error(node.at, "this mask names no columns", "add `column`, `tag` or `detect`");
    if (column && tag)
        fields.error(node.at, "this mask names columns both by `column` and by `tag`", "write two masks");
    if (in && !detect) fields.error(in->at, "`in` goes with `detect` only", "write `column`");
    if (in && (column || tag))
        fields.error(in->at, "`in` stands beside `column` or `tag`", "keep one of them");
    if (column) rule.columns = read_objects(fields, *column, "`column`", true);
    if (in) rule.columns = read_objects(fields, *in, "`in`", true);
    if (tag) rule.tags = names(fields.one_or_many(*tag, "`tag`"));
    rule.everywhere = detect && !column && !tag && !in;
    if (const auto* with = node.find("with")) mask_function(fields, *with, rule.mask);
    if (detect) rule.mask.detectors = detectors(fields, *detect);
    if (const auto* keys = node.find("keys")) mask_keys(fields, *keys, rule.mask);
    const bool keeps = rule.mask.function == masking::Function::keep;
    if (keeps && (detect || node.find("keys")))
        fields.error(node.at, "`keep` unmasks a whole column", "take out `detect` and `keys`");
    if (detect && node.find("keys"))
        fields.error(node.at, "`detect` and `keys` do not go together", "write two masks");
    return rule;
}

void mask_rules(Fields& fields, const YamlNode& node, MaskSet& set) {
    if (node.kind != YamlNode::Kind::sequence) {
        fields.error(node.at, "`columns` must be a list", "write `- { column: public.t.c, with: redact }`");
        return;
    }
    for (const auto& item : node.items)
        if (auto one = mask_rule(fields, item)) {
            one->index = static_cast<std::uint32_t>(&item - node.items.data());
            set.columns.push_back(std::move(*one));
        }
}

}  // namespace

std::optional<MaskSet> read_mask_set(Fields& fields, const std::string& name, Position at, const YamlNode& node) {
    if (!fields.map(node, "mask set " + quoted(name), {"columns", "derived", "filter"}, {"columns"})) return {};
    MaskSet set;
    set.name = name;
    set.at = at;
    if (const auto* field = node.find("columns")) mask_rules(fields, *field, set);
    if (const auto* field = node.find("derived"))
        set.derived = fields.choice<Derived>(*field, "`derived`", {{"mask", Derived::mask}, {"deny", Derived::deny}})
                          .value_or(Derived::deny);
    if (const auto* field = node.find("filter"))
        set.filter = fields.choice<Filter>(
            *field, "`filter`",
            {{"deny", Filter::deny}, {"allow", Filter::allow}, {"equality", Filter::equality}}
        ).value_or(Filter::deny);
    return set;
}

}  // namespace dbguard::policy
