#pragma once

// The work behind analyze(): one Analyzer a statement. Private to this room. The parts, in the order the data passes them:
// analyzer_query.cpp (SELECT), analyzer_from.cpp (FROM, WITH), analyzer_names.cpp (relations, views, columns), analyzer_expr.cpp and
// analyzer_values.cpp (values), analyzer_calls.cpp (which function a call means), analyzer_built_in.cpp and analyzer_code.cpp (functions
// that are built in, and the database's own), analyzer_texts.cpp (texts that are run), analyzer_casts.cpp (code that runs unsaid),
// analyzer_predicate.cpp (what decides which rows come), analyzer_truth.cpp, analyzer_bounds.cpp and analyzer_samples.cpp (what holds for
// every row), analyzer_givens.cpp (what literals meet), analyzer_dml.cpp, analyzer_write.cpp (where written values go, and the code that runs
// with them), analyzer_cascade.cpp (what goes along), analyzer_kept.cpp (what stays), analyzer_utility.cpp and analyzer_effects.cpp (all
// other statements); analyzer_message.cpp has one statement after the other.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include <boost/container/flat_map.hpp>
#include <boost/container/flat_set.hpp>
#include <boost/container/small_vector.hpp>

#include "sql/analyze.hpp"

namespace dbguard::sql {

/// Where a value may come from.
struct Value {
    std::vector<Source> sources;            ///< sorted, one a column and path
    std::vector<std::string> functions;     ///< code outside the vetted list that it passed through
    bool opaque = false;                    ///< may come from anything the statement can reach
    bool as_shown = false;                  ///< if it is opaque, then as a relation of the server's own shows it: NULL may stand in its place
    bool of_shown = false;                  ///< if it is opaque, then by what such relations show alone, as it is or computed
    bool may_fail = false;                  ///< computing it may fail for some values
    bool fallible = false;                  ///< computing it may fail, or is seen otherwise, whatever the values
    bool same_value = false;                ///< computed, but which value it is stays: lower, trim, a cast to text of a column
    bool extended = false;                  ///< a column's own value with something given put before or behind it
    bool is_seen = false;                   ///< computing it leaves a trace: a sequence's next value, a lock, code that does things
    bool structured = false;                ///< it may be an array, a row, json, or have a collation of its own: what is total for ordinary values may fail for some of those
    bool is_row = false;
    bool rows_inside = false;               ///< it may be an array of rows, or else what unnest gives several columns of
    bool steps = false;                     ///< a column or a member of one: a member of it is a longer path
    bool is_given = false;                  ///< made of constants and parameters alone: an argument of a routine by whoever calls it, one value; a column of VALUES
    bool rows_counted = false;              ///< rows of a routine: what decides which come has been counted where they come from
    catalogue::Id type = 0;                 ///< when known
    boost::container::small_vector<std::uint32_t, 2> givens;   ///< literals and parameters it is made of, sorted (see Analyzer::given)
    bool givens_lost = false;               ///< it is made of more than were kept
    std::shared_ptr<const std::vector<std::pair<std::string, Value>>> fields;  ///< of a row, when known
    std::shared_ptr<const std::vector<std::pair<std::string, Value>>> members; ///< of json that is made of such a row

    bool tells_which() const;  ///< as it is stored, or `same_value`
    bool has_value() const;  ///< some source is more than existence, or it is opaque or passed through code
};

Value merge(const Value& a, const Value& b);
/// Some column flows into both.
bool share_sources(const Value& a, const Value& b);
/// Adds the literals and parameters of `other` alone.
void add_givens(Value& value, const Value& other);
/// Whether there is a value: of a column as it is that is existence, of anything computed it tells of what it was computed from.
Value existence_of(Value value);
Value existence_of_row(const Value& row);
/// The same sources, none flowing more literally than `flow`; no longer a row.
Value through(Value value, Flow flow);

/// A column of something in FROM.
struct ScopeColumn {
    std::string name;
    Value value;
    bool hidden = false;   ///< merged by USING or NATURAL: only found by its table's name
    bool not_null = false;
};

/// The columns of something in FROM: shared by whoever has the same, until one of them changes its own.
class Columns {
  public:
    Columns() = default;
    explicit Columns(std::vector<ScopeColumn> columns) : shared_(std::make_shared<std::vector<ScopeColumn>>(std::move(columns))) {}

    std::size_t size() const { return shared_ == nullptr ? 0 : shared_->size(); }
    bool empty() const { return size() == 0; }
    const ScopeColumn* begin() const { return shared_ == nullptr ? nullptr : shared_->data(); }
    const ScopeColumn* end() const { return begin() + size(); }
    const ScopeColumn& operator[](std::size_t i) const { return (*shared_)[i]; }
    std::vector<ScopeColumn>& edit() {
        if (shared_ == nullptr) shared_ = std::make_shared<std::vector<ScopeColumn>>();
        else if (shared_.use_count() > 1) shared_ = std::make_shared<std::vector<ScopeColumn>>(*shared_);
        return *shared_;
    }

  private:
    std::shared_ptr<std::vector<ScopeColumn>> shared_;
};

struct KnownColumns {
    static constexpr std::size_t most = 256;   ///< relations; the texts of one application name fewer at a time
    std::unordered_map<const catalogue::Relation*, Columns> of;
};

/// Something in FROM.
struct ScopeTable {
    std::string alias;
    std::string schema;                 ///< of a relation without an alias
    Columns columns;
    bool complete = true;               ///< false: it may have columns that are not listed
    bool exact_order = true;            ///< false: how many columns `*` gives is not known
    bool unknown_is_opaque = false;     ///< the columns that are not listed may hold values of any table
    const ValueRelation* shows = nullptr;   ///< then: which these are
    Value rest;                         ///< what a column that is not listed may hold
    const catalogue::Relation* relation = nullptr;  ///< a base relation
    const catalogue::Relation* all_of = nullptr;    ///< a subquery: the table that it shows all rows of
    bool is_target = false;             ///< of an UPDATE, DELETE or MERGE
    bool renamed = false;               ///< the query gives its columns other names than its rows have, where these are values of a type with a name
};

/// Of a table whose columns are not all listed: what the others may hold, from what the listed ones do.
Value rest_of(const ScopeTable& table);

struct CteBinding;

/// The CTEs of one WITH, whose names differ.
struct WithBindings {
    std::unordered_map<std::string_view, const CteBinding*> by_name;
    const CteBinding* outer = nullptr;   ///< where the WITH stands: the last of those that are visible there
};

/// A CTE. As a place in a statement: what is visible where this one is the last that is.
struct CteBinding {
    std::string name;
    const WithBindings* with = nullptr;
    std::size_t place = 0;               ///< in its WITH; those before it are visible behind it
    Columns columns;
    bool exact = true;
    const catalogue::Relation* all_of = nullptr;    ///< as of a ScopeTable
};

struct Scope {
    std::vector<ScopeTable> tables;
    const std::vector<std::pair<std::string, Value>>* outputs = nullptr;  ///< for ORDER BY and GROUP BY
    const Scope* outer = nullptr;
    std::vector<std::pair<std::string, std::string>> known;  ///< columns that WHERE compares with a constant, and the constant
};

/// One of them, which are in lower case.
bool is_word(const std::string& text, std::initializer_list<const char*> words);

/// Digits and a sign: a position, or an element's number.
bool is_number(const std::string& text);

/// Behind casts of any kind: for questions where a wrong answer only costs a refusal.
const tree::Expr* without_casts(const tree::Expr* expr);

/// Functions that keep which value it is: lower, upper, trim.
bool keeps_equality(const tree::Expr& expr);

bool gives_all(const std::vector<tree::Cte>& with, const tree::Query& rows);

/// A relation that an earlier statement of the same message made, or took away; or a function that it made.
struct MadeRelation {
    std::string schema, name;
    bool gone = false;      ///< dropped, renamed or moved: what the catalogue knows by that name is not it. name `*`: all of the schema
    bool function = false;
    bool view = false;
    bool temporary = false;
    bool exact = true;
    Columns columns;
    std::shared_ptr<const catalogue::Function> code;   ///< of a function
};

/// `demo, "Mixed", public` as SET takes it: the names, unquoted.
std::vector<std::string> listed_names(const std::string& value);
/// CREATE TRIGGER: it names code that it does not run.
bool makes_trigger(const tree::Statement& statement);
/// It makes, runs or ends a prepared statement or a cursor of the session, for which only a name stands there.
bool goes_by_sessions_names(const tree::Statement& statement);
/// Whether a regular expression finds something in every text.
bool matches_anything(std::string_view pattern);

/// A statement of a block of code: what it names, and of that what it changes so that names mean something else.
struct CodeStep {
    std::set<std::string> names, changed;
    std::vector<std::pair<std::size_t, std::size_t>> effects;   ///< where they stand in the analysed statement, begin and end
    bool calls = false;   ///< and code, which has statements of its own
};

class Analyzer {
  public:
    Analyzer(const Names& names, const Dialect& dialect, std::vector<MadeRelation>& made) : names_(names), dialect_(dialect), made_(made) {}

    Statement run(const tree::Statement& statement);
    /// Not empty: a name did not resolve, or part of it was not understood.
    const std::string& unresolved() const { return unresolved_; }
    std::uint32_t unresolved_at() const { return unresolved_at_; }
    /// All of that is names which the catalogue does not hold.
    bool only_unknown() const { return !not_understood_; }

    /// What a query of the catalogue (a view's, a materialized view's) gives: for sensitivity of stored copies.
    Columns stored_query_columns(const catalogue::Relation& relation);
    /// Sources of an expression over the columns of one relation (a generated column).
    Value stored_expression(const catalogue::Relation& relation, std::string_view text);

  private:
    using Outputs = std::vector<std::pair<std::string, Value>>;
    struct Result {
        Outputs outputs;
        bool exact = true;
    };

    // ---- names
    struct Resolved {
        const catalogue::Relation* relation = nullptr;
        const MadeRelation* made = nullptr;
        bool system = false;
    };
    Resolved resolve(const tree::Name& name) const;
    const MadeRelation* made_function(const tree::Name& name) const;
    Object object(const tree::Name& name, bool* found = nullptr) const;
    Object object(const catalogue::Relation& relation) const;
    void read(const catalogue::Relation& relation, const std::string& column);
    void read_object(EffectClass effect_class, Object object);
    void touch(const catalogue::Relation& relation);
    ScopeTable table(const tree::Name& name, const std::string& alias);
    Columns base_columns(const catalogue::Relation& relation);
    Columns view_columns(const catalogue::Relation& relation, bool& exact);
    Columns expand_view(const catalogue::Relation& relation, bool& exact);
    void add_from(const tree::From& from, Scope& scope, const CteBinding* ctes);
    std::vector<ScopeTable> join(const tree::From& from, Scope& scope, const CteBinding* ctes);
    const CteBinding* bind(const std::vector<tree::Cte>& with, bool recursive, const Scope* outer, const CteBinding* ctes);
    Value column(const tree::Expr& expr, const Scope& scope);
    bool find_column(const std::string& name, const Scope& scope, Value& value, bool& uncertain, bool elsewhere = false);
    Value row_of(const ScopeTable& table);
    void use(const ScopeTable& table, const ScopeColumn& column);

    // ---- queries and values
    Result query(const tree::Query& query, const Scope* outer, const CteBinding* ctes, bool nested);
    Result select(const tree::Query& query, const Scope* outer, const CteBinding* ctes, bool nested);
    void decided_by_computing(const Result& result);
    void distinct(const tree::Query& query, const Result& result, const std::vector<const ScopeTable*>& columns_of);
    const ScopeTable* table_of(const tree::Expr& column, const Scope& scope) const;
    bool is_of_key(const ScopeTable* table, const std::string& column, std::vector<std::pair<const ScopeTable*, std::string>>& before) const;
    std::optional<Value> without_members(const tree::Expr& expr, const Value& left) const;
    static std::string output_name(const tree::Expr& expr, const std::string& alias = {});
    void expand_star(const tree::Expr& star, const Scope& scope, Result& result);
    void expand_row(const Value& row, Result& result) const;
    const catalogue::Relation* members_of(catalogue::Id type) const;
    Value eval(const tree::Expr& expr, const Scope& scope, const CteBinding* ctes);
    Value value_of(const tree::Expr& expr, const Scope& scope, const CteBinding* ctes);
    Value call(const tree::Expr& expr, const Scope& scope, const CteBinding* ctes);
    Value call_built_in(const FunctionRule& rule, const tree::Expr& expr, const Value& args, const Scope& scope);
    bool by_any_path() const { return text_names_ && running_path_ == nullptr; }
    bool reachable(const std::string* schema, const std::string& in) const;
    std::size_t place_in_path(const std::string& schema) const;
    std::optional<Value> call_as_cast(const tree::Expr& expr, const std::vector<Value>& args);
    Value cast(const tree::Expr& expr, Value of);
    bool is_text(catalogue::Id type) const;
    bool gives_one_of(const tree::Expr& expr, const std::vector<Value>& args) const;
    Value unnested(const tree::Expr& expr, const std::vector<Value>& args, Value elements) const;
    bool spreads(catalogue::Id type) const;
    catalogue::Id array_of(catalogue::Id type) const;
    bool gives_any_type(const catalogue::Function& function) const;
    Value call_user(const std::vector<const catalogue::Function*>& candidates, const tree::Expr& expr, const std::vector<Value>& args);
    Value value_given_by(const catalogue::Function& function);
    Value rows_of(const std::vector<std::uint32_t>& relations) const;
    bool keeps_row(const std::string& column, const Value& value) const;
    std::optional<Value> call_body(const catalogue::Function& function, const std::vector<Value>& args);
    const FunctionRule* vetted_rule(const catalogue::Function& function) const;
    bool is_servers_code(const catalogue::Function& function) const;
    bool is_servers_function(const tree::Name& name) const;
    std::optional<std::string> text_made_by(const tree::Expr& expr, int depth = 0) const;
    std::optional<Value> values_of_text(const std::string& text);
    bool could_be(catalogue::Id given, catalogue::Id wanted) const;
    Value operators_used(const tree::Name& name, const Value& left, const Value& right);
    Value cast_by(const catalogue::Cast& cast, const Value& value);
    Value built_in_part(const std::string& name, const Value& value);
    bool is_total_call(const tree::Expr& expr) const;
    bool is_ordinary(catalogue::Id type) const;
    Value member(const Value& of, const std::string& field, bool array_step) const;
    std::optional<Value> path_step(const tree::Expr& expr, const Scope& scope, const CteBinding* ctes);

    // ---- what literals meet
    Value given(const tree::Expr& expr);
    void meets(const Value& value, bool unknown = false);
    void list_givens();

    // ---- what decides
    void predicate(const tree::Expr& expr, const Scope& scope, const CteBinding* ctes);
    void decides(const Value& value, Filter::Use use = Filter::Use::other);
    void remember_constants(const tree::Expr& where, Scope& scope) const;
    void decides_all(const tree::Exprs& exprs, const Scope& scope, const CteBinding* ctes);
    void order_by(const tree::Exprs& exprs, const Scope& scope, const CteBinding* ctes, const Outputs& outputs);
    bool is_given(const tree::Expr& expr, const Scope* scope = nullptr) const;
    bool is_given_argument(const tree::Expr& column, const Scope& scope) const;
    bool is_one_of_given(const tree::Expr& expr, const tree::Expr& stored, const Scope& scope) const;
    bool is_given_list(const tree::Expr& expr) const;
    const tree::Expr* plain_column(const tree::Expr& expr) const;
    enum class Truth : std::uint8_t { unknown, always, never };
    Truth truth(const tree::Expr& expr, const Scope& scope) const;
    bool opposites(const tree::Expr& any_of) const;
    bool depends_on_target(const tree::Expr& expr, const Scope& scope) const;
    Truth compared(const std::string& way, const tree::Expr& a, const tree::Expr& b, const Scope& scope) const;
    const ScopeColumn* column_of(const tree::Expr& expr, const Scope& scope, const ScopeTable** of = nullptr) const;
    const ScopeTable* row_table(const tree::Expr& expr, const Scope& scope) const;
    const catalogue::Relation* all_of(const tree::Query& query) const;
    const tree::Expr& bare(const tree::Expr& expr) const;
    bool same_row(const tree::Expr& a, const tree::Expr& b, const Scope& scope) const;
    std::optional<std::string> folded(const tree::Expr& expr) const;
    bool never_empty(const tree::Expr& expr) const;
    bool gives_something(const tree::Expr& expr, const Scope& scope) const;
    std::pair<long double, long double> bounds_of(const tree::Expr& expr, const Scope& scope) const;
    bool holds_within_bounds(const std::string& way, const tree::Expr& a, const tree::Expr& b, const Scope& scope) const;
    bool never_fails(const std::string& way, const tree::Expr& a, const tree::Expr& b, const Scope& scope) const;
    std::string end_of_target(const tree::Expr& column, const tree::Expr& expr, const Scope& scope) const;
    Where where_of(const tree::Expr* where, const Scope& scope, bool depends_on_target) const;
    friend class Samples;
    bool picks(const tree::Expr& expr, const Scope& scope) const;
    bool holds_for_samples(const tree::Write& write, const Scope& scope) const;
    std::string bounds_above(const catalogue::Relation& relation, int steps = 0) const;
    std::string bounds_of_partitions(const catalogue::Relation& relation) const;
    tree::Exprs conditions_of(const catalogue::Relation& relation, const std::set<std::string>& about) const;
    bool is_narrowed(const catalogue::Relation& relation, const ScopeColumn& column, bool any) const;
    bool is_not_null(const tree::Expr& expr, const Scope& scope) const;
    bool keeps_text(const tree::Expr& cast) const;
    bool keeps_characters(const tree::Expr& cast) const;
    const tree::Expr* told_by(const tree::Expr& expr) const;
    bool same(const tree::Expr& a, const tree::Expr& b) const;
    bool gives_itself(const tree::Expr& expr, const tree::Query& query) const;
    bool all_of_target(const tree::Expr& column, const tree::Query& query, const Scope& scope) const;
    bool rows_are_given(const tree::Query* query) const;

    // ---- writes and everything else
    Result write(const tree::Write& write, const Scope* outer, const CteBinding* ctes);
    struct Target;
    Target target_of(const tree::Write& write);
    void put(const Target& target, const std::string& column, const Value& value, bool unknown = false);
    void put_all(const Target& target, const std::vector<tree::Assignment>& assignments, const Scope& scope, const CteBinding* ctes);
    void insert_rows(const tree::Write& write, Target& target, Scope& scope, const CteBinding* ctes);
    void change_rows(const tree::Write& write, const Target& target, Scope& scope, const CteBinding* ctes);
    void merge_rows(const tree::Write& write, const Target& target, Where where, const Scope& scope, const CteBinding* ctes);
    void write_behind_view(const tree::Write& write, const Target& target);
    void write_settings();
    Result returned(const tree::Write& write, const Target& target, Scope& scope, const CteBinding* ctes);
    void assign(const catalogue::Relation* target, const std::string& target_name, const std::string& column, const Value& value);
    Value assigned(const tree::Assignment& assignment, const Scope& scope, const CteBinding* ctes);
    bool fits_as_it_is(const ColumnId& from, const catalogue::Column& to) const;
    bool is_document_type(catalogue::Id type) const;
    Value kept(const tree::Expr& expr, const Scope& scope, const CteBinding* ctes);
    void copy_out(Copy copy);
    Value values_of_type(const tree::Name& name);
    void triggers_of(const catalogue::Relation& relation);
    void unsaid_code(const catalogue::Relation& relation);
    void code_of_types();
    Value coerce(catalogue::Id type, Value value);
    void casts_unsaid(Statement& done);
    bool casts_may_be_unsaid() const;
    void meet_type(catalogue::Id type);
    /// `shown`: the statement returns rows.
    void rules_of(const catalogue::Relation& relation, char event, bool shown = false);

    // ---- what goes along
    std::vector<const catalogue::Relation*> below(const catalogue::Relation& relation) const;
    Object along(const catalogue::Relation& relation) const;
    const catalogue::Relation* relation_of(const Object& object) const;
    void fires(const catalogue::Relation& relation);
    void write_along(const catalogue::Relation& relation, std::size_t first_effect, bool only);
    void new_defaults(const catalogue::Relation* relation, const std::vector<std::string>& given);
    void values_follow(const catalogue::Relation* relation, const std::string& column, const Value& value, int steps = 0);
    void keys_follow(const catalogue::Relation& relation, bool removed, const std::vector<std::string>& columns, Where where);
    bool shows(const catalogue::Relation& view, const catalogue::Relation& relation);
    /// What is about to mean something else. `by_name`: only where a text names it; what the server has looked up goes on as it is.
    struct Moving {
        std::set<catalogue::Id> functions, relations;
        bool by_name = false;
    };
    Moving moving(const tree::UtilityEffect& lowered, const Effect& effect) const;
    void moves_schema(const std::string& schema, Moving& out) const;
    void kept_before(const Moving& moving);
    void shown_above(const catalogue::Relation& relation);
    struct Unsaid {
        std::set<catalogue::Id> functions;
        std::set<std::string> words;
    };
    Unsaid unsaid() const;
    std::optional<std::vector<Copy>> done_by(const catalogue::Function& function, const catalogue::Relation* fires_for, std::span<const std::string> transition_tables);
    void runs_unsaid(const catalogue::Function& function, const catalogue::Function* before, const catalogue::Relation* fires_for, std::span<const std::string> transition_tables);
    void comes_to_run_unsaid(const catalogue::Function& function, const std::string& name, const std::string& schema);
    void comes_to_fire(const tree::Statement& statement, const catalogue::Relation& relation);
    void comes_to_be_read(const std::string& name, const std::vector<Value>& columns, const std::vector<Value>& before);
    void new_code(const tree::Statement& statement, std::size_t first_effect);
    void renames_of(const tree::Moved& moved);
    void cascade_of_drop(std::vector<const catalogue::Relation*> gone, Effect& dropped);
    void utility_along(const tree::UtilityEffect& lowered, Effect& effect);

    const catalogue::Relation* base_of_view(const catalogue::Relation& view);
    void write_effect(EffectClass effect_class, const Object& object, Where where, std::vector<std::string> columns);
    void utility(const tree::Statement& statement);
    std::optional<bool> rewrites(const tree::UtilityEffect& lowered) const;
    void utility_effect(const tree::UtilityEffect& effect);
    /// `around`: rows that it may name beside its own.
    Statement inner(const tree::Statement& statement, const Scope* around = nullptr);
    void note_step(std::size_t place, const tree::Statement& statement, std::size_t first_effect, bool calls);
    bool steps_move_names() const;
    void names_that_move(std::size_t own_effects, std::size_t made_before);
    void absorb(const Statement& inner);
    void leave_out_generated(const tree::Statement& source);
    void unresolved(std::string reason, std::uint32_t at);
    void unknown_name(std::string reason, std::uint32_t at);

    Names names_;
    const Dialect& dialect_;
    std::vector<MadeRelation>& made_;
    Statement out_;
    using Read = std::pair<Object, boost::container::flat_set<std::string>>;   // and the columns
    std::map<std::pair<EffectClass, std::pair<std::string, std::string>>, Read> reads_;
    std::unordered_map<const catalogue::Relation*, Read*> relations_read_;   ///< their entries in reads_
    struct ExpandedView {
        Columns columns;
        bool exact = true;
        std::string unresolved;
    };
    std::map<catalogue::Id, ExpandedView> views_;
    std::vector<std::unique_ptr<CteBinding>> bindings_;
    std::vector<std::unique_ptr<WithBindings>> withs_;
    std::vector<const Value*> parameters_;   ///< inside an SQL function: what $n stands for
    std::vector<std::pair<std::string, Value>> named_parameters_;
    const std::vector<std::string>* path_ = nullptr;  ///< overrides the session's search path inside stored definitions
    std::string unresolved_;
    std::uint32_t unresolved_at_ = 0;
    bool utility_ = false;                   ///< neither a query nor a write
    bool not_understood_ = false;            ///< something other than a name did not resolve
    const Value* trigger_row_ = nullptr;     ///< inside a trigger's function: a row of its table
    const CteBinding* transitions_ = nullptr;   ///< … and the names that the next function to be read has for many of them
    std::set<catalogue::Id> types_;          ///< of the user's own, that it computes with; kept where there are casts made by users
    bool compares_sets_ = false;             ///< UNION and its like: their sides get one type
    std::vector<catalogue::Id> reading_;     ///< the routines whose bodies are being read, outermost first
    int bodies_read_ = 0;
    int writes_ = 0;
    Value read_by_code_;                     ///< what routines gave, other than their arguments
    bool counted_outside_ = false;           ///< the next write's rows are those of the one around it
    int depth_ = 0;                          ///< of stored definitions being expanded
    bool quiet_ = false;                     ///< inside stored definitions: what is not used further does not count as computed
    const Scope* around_ = nullptr;          ///< rows that the statement may name beside its own: OLD and NEW of a rule's action
    std::vector<MadeRelation> made_by_code_;
    bool in_block_ = false;                  ///< the statement is a block of code
    std::vector<CodeStep> steps_;            ///< and these are its own statements
    bool runs_text_ = false;                 ///< a text that it gives to a function which runs it
    const std::vector<std::string>* running_path_ = nullptr;  ///< under which code runs; null: the session's own
    bool keeps_others_ = false;              ///< what is looked at joins, and rows come for which it does not hold
    const Moving* without_ = nullptr;        ///< what is analysed is read as if these said nothing
    bool met_moving_ = false;                ///< and it names one of them
    bool text_names_ = false;                ///< stored_, and inside code that looked its names up when it ran: before now, under any search path
    bool stored_ = false;                    ///< what is analysed was computed when a row was stored, by code that may have been replaced since
    bool keeps_code_ = false;                ///< what is analysed is kept with a table, a type or a function, and runs whenever that is used
    bool watched_ = false;                   ///< EXPLAIN ANALYZE: what was computed, how often and how large it was is shown
    bool target_used_ = false;
    std::vector<std::pair<const tree::UtilityEffect*, std::size_t>> told_;   ///< effects that a utility statement says, and where they stand in out_
    bool foreign_ = false;                   ///< in a text other than the statement's: a view, a routine, text that a function runs
    struct Met {
        std::vector<Source> sources;
        bool unknown = false;
    };
    boost::container::flat_map<std::uint32_t, Met> met_;       ///< by Value::givens
    std::uint32_t literals_seen_ = 0;
    bool givens_lost_ = false;               ///< too many to follow: nothing is said of any
    mutable bool literals_matter_ = false;   ///< the value of a constant was looked at
};

}  // namespace dbguard::sql
