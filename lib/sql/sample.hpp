#pragma once

// What analyzer_samples.cpp computes with: values of a row that is made up, and what becomes of them. As PostgreSQL does it, or not
// at all: what is not understood is unknown.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "catalogue/snapshot.hpp"
#include "sql/dialect.hpp"
#include "sql/tree.hpp"

namespace dbguard::sql::sample {

/// What an expression is for one row.
struct Cell {
    enum class Is : std::uint8_t {
        unknown,
        fixed,    ///< not known, but the same for every row: a parameter, the time, a column of another table
        fails,    ///< computing it ends the statement
        null, truth, number, text,
        list,     ///< a row or an array; open: of more than these
        range,    ///< items: its ends, NULL where it has none; text: its brackets; flag: empty
        document, ///< json: unit tells which kind; items: an object's names and values in turn, an array's elements, else the value itself
        thing,    ///< there, and equal to what is written the same
    };
    Is is = Is::unknown;
    bool flag = false;          ///< truth; number: or more than that; list: open; text: a literal, of whichever type is wanted
    bool less = false;          ///< of a number: or less than that
    long double number = 0;
    int width = 0;              ///< of a whole number: bytes
    char unit = ' ';            ///< d, t: a date, a moment: seconds since 2000; of a document o, a: an object, an array; s, n, b, 0: text, number, truth, null
    std::string text;
    const catalogue::Type* labels = nullptr;   ///< of an enumeration: number is the place
    std::vector<Cell> items;

    bool operator()(Is what) const { return is == what; }
};
using Is = Cell::Is;

Cell make(Is is);
Cell of_truth(bool value);
Cell of_number(long double value, int width = 0, char unit = ' ');
Cell of_text(std::string value, bool literal = false);
/// Of a whole number of `width` bytes; fails where it has no room in them.
Cell whole(long double value, int width);
Cell flip(const Cell& cell);
/// Tells values that differ apart.
std::string printed(const Cell& cell);

std::string folded_case(std::string text);
bool one_of(const std::string& text, std::initializer_list<std::string_view> words);
std::optional<long double> number_in(const std::string& text);
/// `{a,b,NULL}`, without quotes or nesting.
std::optional<Cell> array_in(const std::string& text);
/// Seconds since 2000 of a date or moment, only as ISO 8601 prints it, and the two ends.
std::optional<long double> moment_of(const std::string& text);
/// Days since 2000-01-01 of a date of the Gregorian calendar.
long double days_of(long year, int month, int day);

/// A literal as what it is compared with.
Cell as_the_other(const Cell& cell, const Cell& other);
/// What an operation is at once where a side is not ordinary.
std::optional<Cell> settled(const Cell& a, const Cell& b);
Cell compare(const std::string& way, const Cell& left, const Cell& right);
Cell any(const std::string& way, const Cell& wanted, const Cell& list);
Cell all(const std::string& way, const Cell& wanted, const Cell& list);
/// sample_parts.cpp: ranges and json.
std::optional<Cell> range_in(const std::string& text);
std::optional<Cell> document_in(const std::string& text);
/// A value as to_jsonb makes it.
Cell document_of(const Cell& cell);
Cell range_operation(const std::string& way, const Cell& left, const Cell& right);
Cell document_operation(const std::string& way, const Cell& left, const Cell& right);
/// Nothing where it is no function of ranges or json.
std::optional<Cell> part_call(const std::string& name, const std::vector<Cell>& args);
/// A cast to a range or to json.
std::optional<Cell> part_cast(const std::string& name, const Cell& cell);
/// sample_operations.cpp: of a cast, an operation or a call what is not its arguments stands in `expr`.
Cell cast(const tree::Expr& expr, Cell cell);
Cell operation(const tree::Expr& expr, const std::vector<Cell>& sides);
Cell call(const std::string& name, const std::vector<Cell>& args);

/// Values that a column can have, among them those that a condition may turn on: its constants and their neighbours.
class Values {
  public:
    Values(const Dialect& dialect, const catalogue::Snapshot* snapshot) : dialect_(dialect), snapshot_(snapshot) {}

    void note_constant(const std::string& text);
    /// `name`: of the column. few: no neighbours.
    std::vector<Cell> of_type(catalogue::Id type, std::int32_t modifier, const std::string& name, bool few) const;
    static std::vector<Cell> of_system_column(const std::string& name);

  private:
    std::vector<long double> telling_numbers(bool few) const;
    std::vector<Cell> whole_samples(int width, bool few) const;
    std::vector<Cell> text_samples(std::size_t limit, bool few) const;
    std::vector<Cell> moment_samples(char unit, bool few) const;
    std::vector<Cell> lists_of(catalogue::Id element, bool few) const;

    const Dialect& dialect_;
    const catalogue::Snapshot* snapshot_;
    std::vector<long double> numbers_;
    std::vector<std::string> texts_;
};

}  // namespace dbguard::sql::sample
