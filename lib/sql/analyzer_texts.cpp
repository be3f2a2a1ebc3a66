// Texts that a statement makes and runs: which text it is, where constants tell.

#include <algorithm>

#include "base/quoting.hpp"
#include "sql/analyzer.hpp"

namespace dbguard::sql {
namespace {

using tree::Expr;
using Kind = Expr::Kind;

constexpr std::size_t max_made_bytes = 100'000;

}  // namespace

/// Only the server's own function can be meant.
bool Analyzer::is_servers_function(const tree::Name& name) const {
    if (names_.snapshot == nullptr || name.parts.empty() || dialect_.function("", name.last()) == nullptr) return false;
    if (name.parts.size() > 1) return name.parts.size() == 2 && name.parts[0] == dialect_.system_schema;
    return names_.snapshot->functions(name.last()).empty() && made_function(name) == nullptr;
}

/// The text that the expression gives, where it is put together from constants alone; nothing where it is not.
std::optional<std::string> Analyzer::text_made_by(const Expr& expr, int depth) const {
    if (depth > 64) return {};
    if (const Expr* constant = told_by(expr)) {
        literals_matter_ = true;
        // Others may look otherwise as texts: 1e3, true; a bit string stands here with its letter.
        const bool bits = !constant->text.empty() && (constant->text[0] == 'b' || constant->text[0] == 'x') && constant->text.find_first_not_of("0123456789abcdefABCDEF", 1) == std::string::npos;
        const bool as_written = (constant->quoted && !bits) || (is_number(constant->text) && constant->text.size() < 10 && constant->text[0] != '0');
        return as_written ? std::optional(constant->text) : std::nullopt;
    }
    const bool names_database = expr.kind == Kind::call ? expr.args.empty() && is_servers_function(expr.name) && expr.name.last() == "current_database"
                                                        : expr.kind == Kind::combine && expr.text == "current value" && !expr.name.parts.empty() && expr.name.last() == "current_catalog";
    if (names_database && names_.context != nullptr) return names_.context->database;
    std::string out;
    if (expr.kind == Kind::operation && expr.args.size() == 2 && expr.text.empty() && expr.name.last() == "||") {
        // An operator over texts that somebody put before the server's own.
        for (const catalogue::Operator* other : names_.snapshot == nullptr ? std::vector<const catalogue::Operator*>{} : names_.snapshot->operators("||"))
            if (names_.snapshot->type(other->left) == nullptr || names_.snapshot->type(other->right) == nullptr) return {};
        if (expr.name.parts.size() > 1 && expr.name.parts[0] != dialect_.system_schema) return {};
        for (const tree::ExprPtr& side : expr.args) {
            const auto part = text_made_by(*side, depth + 1);
            if (!part || out.size() + part->size() > max_made_bytes) return {};
            out += *part;
        }
        return out;
    }
    const bool plain = expr.kind == Kind::call && !expr.variadic && !expr.distinct && !expr.args.empty() && is_servers_function(expr.name) &&
                       std::all_of(expr.argument_names.begin(), expr.argument_names.end(), [](const std::string& name) { return name.empty(); });
    if (!plain) return {};
    std::vector<std::string> args;
    for (const tree::ExprPtr& arg : expr.args) {
        auto part = text_made_by(*arg, depth + 1);
        if (!part || part->size() > max_made_bytes) return {};
        args.push_back(std::move(*part));
    }
    const std::string& name = expr.name.last();
    // Quoted is what it is, whether or not it needs quotes.
    if (name == "quote_ident" && args.size() == 1) return in_quotes(args[0], '"');
    if (name == "quote_literal" && args.size() == 1 && args[0].find('\\') == std::string::npos) return in_quotes(args[0], '\'');
    if (name != "format") return {};
    std::size_t next = 1;
    for (std::size_t i = 0; i < args[0].size(); ++i) {
        if (args[0][i] != '%') {
            out.push_back(args[0][i]);
            continue;
        }
        if (++i == args[0].size()) return {};
        const char how = args[0][i];
        if (how == '%') {
            out.push_back('%');
            continue;
        }
        // No positions or widths (PostgreSQL manual, "format").
        if ((how != 's' && how != 'I' && how != 'L') || next >= args.size()) return {};
        const std::string& arg = args[next++];
        if (how == 'L' && arg.find('\\') != std::string::npos) return {};
        out += how == 's' ? arg : in_quotes(arg, how == 'I' ? '"' : '\'');
        if (out.size() > max_made_bytes) return {};
    }
    return out;
}

bool goes_by_sessions_names(const tree::Statement& statement) {
    switch (statement.kind) {
        case StatementKind::prepare:
        case StatementKind::execute:
        case StatementKind::deallocate:
        case StatementKind::declare_cursor:
        case StatementKind::fetch:
        case StatementKind::close_cursor:
        case StatementKind::discard: return true;
        default: return std::any_of(statement.inner.begin(), statement.inner.end(), [](const auto& inner) { return goes_by_sessions_names(*inner); });
    }
}

/// Does what the text does. -> what it gives; nothing where the grammar refuses it, or a name tells what it is
std::optional<Value> Analyzer::values_of_text(const std::string& text) {
    const ParsedText parsed = dialect_.parse(text);
    if (!parsed.error.empty() || std::any_of(parsed.statements.begin(), parsed.statements.end(), goes_by_sessions_names)) return {};
    Value out;
    for (const tree::Statement& statement : parsed.statements) {
        const bool outer_foreign = std::exchange(foreign_, true);
        // A view's names are as they were printed; those of a text that it runs are not.
        const auto* outer_path = std::exchange(path_, running_path_);
        const Statement run = inner(statement);
        path_ = outer_path;
        foreign_ = outer_foreign;
        absorb(run);
        for (const Output& output : run.outputs) {
            Value value;
            value.sources = output.sources;
            value.functions = output.functions;
            value.opaque = output.opaque;
            value.may_fail = output.may_fail;
            out = merge(out, value);
        }
    }
    return out;
}

}  // namespace dbguard::sql
