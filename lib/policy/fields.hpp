#pragma once

// Typed reading of a YAML tree: each function takes a node and what it is called in messages, and notes what does not fit.
// The schema decides what a word is, never its looks.

#include <initializer_list>
#include <span>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "policy/policy.hpp"
#include "policy/yaml_tree.hpp"

namespace dbguard::policy {

/// What is found beyond these is not told: a file of garbage needs no longer list.
inline constexpr std::size_t max_problems = 100;

/// The name among `known` that `word` is most likely a typing mistake of; empty when none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> known);
/// `a, b or c`, each in backquotes.
std::string one_of_these(std::span<const std::string_view> words);

std::vector<std::string> names(const std::vector<Reference>& references);

class Fields {
  public:
    Fields(std::string_view file, std::vector<Problem>& problems) : file_(file), problems_(problems) {}

    void error(Position at, std::string message, std::string suggestion = "");
    /// As many problems as are told: looking for more is of no use.
    bool full() const { return problems_.size() >= max_problems; }

    /// The node is a map whose keys are all in `known` and hold all of `required`. False: it is no map at all.
    bool map(
        const YamlNode& node, std::string_view what, std::span<const std::string_view> known,
        std::span<const std::string_view> required
    );
    using Words = std::initializer_list<std::string_view>;
    bool map(const YamlNode& node, std::string_view what, Words known, Words required = {}) {
        return map(node, what, std::span(known.begin(), known.size()), std::span(required.begin(), required.size()));
    }
    /// The node is a map from names that the file gives. False: it is no map.
    bool named_map(const YamlNode& node, std::string_view what);

    /// A word that means text. Unquoted words that another YAML reader takes for something else are errors.
    std::optional<std::string> text(const YamlNode& node, std::string_view what);
    /// As text(), with white space (line breaks of block scalars, too) made single spaces.
    std::string sentence(const YamlNode& node, std::string_view what);
    std::optional<bool> boolean(const YamlNode& node, std::string_view what);
    std::optional<std::uint64_t> number(const YamlNode& node, std::string_view what, std::uint64_t least);
    std::optional<Duration> duration(const YamlNode& node, std::string_view what);
    std::optional<std::uint64_t> size(const YamlNode& node, std::string_view what);
    /// `>1000`
    std::optional<std::uint64_t> more_than(const YamlNode& node, std::string_view what);

    /// One word or a list of them: at least one, none twice.
    std::vector<Reference> one_or_many(const YamlNode& node, std::string_view what);
    /// A list only.
    std::vector<Reference> list(const YamlNode& node, std::string_view what, std::size_t least, bool unique);

    template <class T>
    using Choices = std::initializer_list<std::pair<std::string_view, T>>;
    template <class T>
    std::optional<T> choice(const YamlNode& node, std::string_view what, Choices<T> choices) {
        const auto word = text(node, what);
        if (!word) return {};
        std::vector<std::string_view> names;
        for (const auto& [name, value] : choices) {
            if (name == *word) return value;
            names.push_back(name);
        }
        bad_choice(node.at, what, *word, names);
        return {};
    }
    void bad_choice(
        Position at, std::string_view what, std::string_view word, std::span<const std::string_view> known
    );

  private:
    std::string_view file_;
    std::vector<Problem>& problems_;
};

}  // namespace dbguard::policy
