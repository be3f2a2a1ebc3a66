#include "policy/lint.hpp"

#include <doctest/doctest.h>

#include "policy/load.hpp"
#include "vectors.hpp"

using namespace dbguard::policy;

TEST_CASE("lint finds the traps of the vectors") {
    const auto vectors = read_vectors("lint.txt");
    CHECK(vectors.size() >= 10);
    for (const auto& vector : vectors) {
        INFO(vector.title);
        const auto loaded = load(vector.text, "p.yaml");
        REQUIRE(loaded.policy);
        CHECK(messages(lint(*loaded.policy)) == vector.expected);
    }
}

TEST_CASE("the examples have neither errors nor warnings") {
    for (const auto* name : {"feature-tests.yaml", "migrations.yaml", "oncall.yaml"}) {
        const auto loaded = load(read_vector_file(name), name);
        REQUIRE(loaded.policy);
        for (const auto& problem : lint(*loaded.policy)) {
            INFO(text(problem));
            CHECK(problem.severity == Severity::note);
        }
    }
}
