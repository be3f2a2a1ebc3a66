#include "sql/print.hpp"

#include <array>

namespace dbguard::sql {
namespace {

void append(std::string& out, std::string_view separator, std::string_view text) {
    if (!out.empty()) out += separator;
    out += text;
}

std::string object_text(const Object& object) {
    std::string out = object.schema;
    append(out, ".", object.name);
    if (!object.columns.empty()) {
        std::string columns;
        for (const std::string& column : object.columns) append(columns, ",", column);
        out += "(" + columns + ")";
    }
    if (object.temporary) out += "[temporary]";
    if (!object.resolved) out += "[unresolved]";
    if (object.expanded) out += "[expanded]";
    return out;
}

std::string value_text(
    const std::vector<Source>& sources, const std::vector<std::string>& functions, bool opaque, const catalogue::Snapshot* snapshot
) {
    std::string out;
    for (const Source& source : sources) append(out, ", ", print(source, snapshot));
    for (const std::string& function : functions) append(out, ", ", "code " + function);
    if (opaque) append(out, ", ", "anything");
    return out;
}

void print_into(std::string& out, const Statement& statement, const catalogue::Snapshot* snapshot, const std::string& indent) {
    if (statement.kind != StatementKind::other)
        out += indent + "kind " + std::string(name(statement.kind)) + (statement.name.empty() ? "" : " " + statement.name) + "\n";
    for (const Effect& effect : statement.effects) out += indent + print(effect) + "\n";
    for (const Output& output : statement.outputs) {
        const std::string value = value_text(output.sources, output.functions, output.opaque, snapshot) + (output.as_shown ? " as shown" : output.of_shown ? " of what is shown" : "");
        out += indent + "  " + output.name + " <- " + (value.empty() ? "nothing" : value) + (output.may_fail ? " may fail" : "") + "\n";
    }
    for (const Filter& filter : statement.filters)
        out += indent + "  filter " + (filter.opaque || !filter.functions.empty() ? value_text({}, filter.functions, filter.opaque, snapshot) : print(filter.source, snapshot)) + (filter.use == Filter::Use::equality ? " equality" : "") + "\n";
    for (const Copy& copy : statement.copies)
        out += indent + "  copy " + copy.target_name + " <- " + value_text(copy.sources, copy.functions, copy.opaque, snapshot) + (copy.extended ? " extended" : "") + "\n";
    for (const Rename& rename : statement.renames)
        if (!rename.member.empty()) out += indent + "  rename member " + rename.member + "\n";
        else out += indent + "  " + (rename.carried ? "loses what it carries " : "rename ") + rename.before.schema + "." + rename.before.relation + "." + rename.before.name +
               (rename.carried ? "" : " -> " + rename.after.schema + "." + rename.after.relation + "." + rename.after.name) + "\n";
    std::string flags;
    if (statement.returns_rows) append(flags, " ", "rows");
    if (!statement.outputs_exact) append(flags, " ", "inexact");
    if (statement.runs_code) append(flags, " ", "code");
    if (statement.changes_catalogue) append(flags, " ", "changes-catalogue");
    if (statement.changes_settings) append(flags, " ", "changes-settings");
    if (!flags.empty()) out += indent + "  [" + flags + "]\n";
    for (const Statement& inner : statement.inner) {
        out += indent + "  inner\n";
        print_into(out, inner, snapshot, indent + "    ");
    }
}

}  // namespace

std::string_view name(Flow flow) {
    static constexpr std::array<std::string_view, 4> names = {"existence", "aggregated", "transformed", "identity"};
    return names[static_cast<std::size_t>(flow)];
}

std::string_view name(StatementKind kind) {
    // In the order of StatementKind.
    static constexpr std::array<std::string_view, 19> names = {
        "other", "begin", "commit", "rollback", "savepoint", "rollback_to", "release", "prepare_transaction",
        "prepare", "execute", "deallocate", "declare_cursor", "fetch", "close_cursor", "copy_in", "copy_out", "set", "discard", "explain",
    };
    static_assert(names.size() == static_cast<std::size_t>(StatementKind::explain) + 1);
    return names[static_cast<std::size_t>(kind)];
}

std::string column_text(const Source& source, const catalogue::Snapshot* snapshot) {
    const catalogue::Relation* relation = snapshot == nullptr ? nullptr : snapshot->relation(source.column.relation);
    const catalogue::Column* column = relation == nullptr ? nullptr : relation->column(source.column.number);
    std::string out;
    if (column != nullptr) out = relation->schema + "." + relation->name + "." + column->name;
    else out = "relation " + std::to_string(source.column.relation) + "." + std::to_string(source.column.number);
    for (const std::string& step : source.path) out += "->" + step;
    return out;
}

std::string print(const Source& source, const catalogue::Snapshot* snapshot) {
    std::string out = column_text(source, snapshot);
    if (source.flow != Flow::identity) out += "(" + std::string(name(source.flow)) + ")";
    return out;
}

std::string print(const Effect& effect) {
    std::string out(name(effect.effect_class));
    for (const Object& object : effect.objects) out += " " + object_text(object);
    if (!effect.setting.empty()) out += " setting=" + effect.setting;
    if (effect.where != Where::not_applicable) out.append(" where=").append(name(effect.where));
    if (effect.has_limit && *effect.has_limit) out += " limit";
    if (effect.lock == Lock::blocks_writes) out += " lock=writes";
    if (effect.lock == Lock::blocks_reads) out += " lock=reads";
    if (effect.rewrites_table && *effect.rewrites_table) out += " rewrites";
    if (!effect.rewrites_table && effect.effect_class == EffectClass::ddl_alter) out += " rewrites?";
    if (!effect.detail.empty()) out += " {" + effect.detail + "}";
    return out;
}

std::string print(const Statement& statement, const catalogue::Snapshot* snapshot) {
    std::string out;
    print_into(out, statement, snapshot, "");
    return out;
}

std::string print(const Analysis& analysis, const catalogue::Snapshot* snapshot) {
    std::string out;
    for (std::size_t i = 0; i < analysis.statements.size(); ++i) {
        if (analysis.statements.size() > 1) out += "#" + std::to_string(i + 1) + "\n";
        out += print(analysis.statements[i], snapshot);
    }
    if (!analysis.unparsed.empty()) out += "unparsed at " + std::to_string(analysis.unparsed_at) + ": " + analysis.unparsed + "\n";
    return out;
}

}  // namespace dbguard::sql
