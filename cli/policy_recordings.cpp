#include "cli/policy_recordings.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <tuple>
#include <unordered_map>

#include "cli/duration.hpp"
#include "cli/exit_code.hpp"
#include "cli/output.hpp"
#include "recording/directory.hpp"
#include "recording/fields.hpp"
#include "recording/reader.hpp"
#include "recording/replay.hpp"

namespace dbguard::cli {
namespace {

using Json = nlohmann::json;
using recording::is_true;
using recording::number_of;
using recording::string_of;

/// Who sent it, as a reviewer would name it: the workflow, the pipeline, the project; never a run.
std::string caller_of(const Json& who) {
    if (!who.is_object()) return {};
    for (const auto* claim : {"job_workflow_ref", "workflow_ref", "project_path", "repository", "project_id", "repository_id", "sub"})
        if (auto value = string_of(who, claim); !value.empty()) return value;
    return {};
}

sql::Object object_of(const std::string& name) {
    sql::Object object;
    const auto dot = name.find('.');
    if (dot == std::string::npos) {
        object.name = name;
        return object;
    }
    object.schema = name.substr(0, dot);
    object.name = name.substr(dot + 1);
    object.resolved = object.name.find('.') == std::string::npos;  // which point parts them cannot be told
    object.temporary = object.schema.starts_with("pg_temp");
    return object;
}

/// A session that looks names up never records a relation without its schema.
bool typed_only(const sql::Effect& effect) {
    const bool relations = sql::inside(effect.effect_class, sql::EffectClass::read_table) || sql::inside(effect.effect_class, sql::EffectClass::write) ||
                           sql::inside(effect.effect_class, sql::EffectClass::bulk);
    return relations && std::any_of(effect.objects.begin(), effect.objects.end(), [](const sql::Object& object) { return object.schema.empty(); });
}

std::optional<bool> flag_of(const Json& of, const char* name) {
    const auto found = of.find(name);
    return found != of.end() && found->is_boolean() ? std::optional(found->get<bool>()) : std::nullopt;
}

/// What rules may ask of an effect beside class and objects.
void facts(const Json& recorded, sql::Effect& effect) {
    effect.where = sql::where(string_of(recorded, "where")).value_or(sql::Where::not_applicable);
    effect.lock = sql::lock(string_of(recorded, "lock")).value_or(sql::Lock::none);
    effect.has_limit = flag_of(recorded, "limit");
    effect.rewrites_table = flag_of(recorded, "rewrites");
    effect.setting = string_of(recorded, "set");
    const auto columns = recorded.find("k");
    if (columns == recorded.end() || !columns->is_array()) return;
    for (std::size_t i = 0; i < columns->size() && i < effect.objects.size(); ++i)
        if ((*columns)[i].is_array())
            for (const auto& column : (*columns)[i])
                if (column.is_string()) effect.objects[i].columns.push_back(column.get<std::string>());
}

/// One file's share, added to the whole when the file turns out to be good.
class FileReader {
  public:
    FileReader(Recordings& into, const std::string& path) : into_(into) { session_.file = path; }

    /// Empty: taken, or passed over because it is too old. Otherwise why it is left out.
    std::string read(std::optional<std::chrono::system_clock::time_point> since, std::unordered_map<std::string, std::size_t>& texts);

  private:
    void line(std::uint64_t number, std::string_view type, const Json& line);
    void statement(std::uint64_t number, const Json& line);
    void decision(const Json& d);
    RecordedStatement* named_by(const Json& line);

    struct Pending {
        RecordedStatement statement;
        std::string key;
        RecordedText text;
    };

    Recordings& into_;
    RecordedSession session_;
    std::vector<Pending> pending_;
    std::unordered_map<std::uint64_t, std::size_t> by_line_;
};

RecordedStatement* FileReader::named_by(const Json& line) {
    const auto found = by_line_.find(number_of(line, "for"));
    return found == by_line_.end() ? nullptr : &pending_[found->second].statement;
}

void FileReader::statement(std::uint64_t number, const Json& line) {
    Pending one;
    one.statement.line = number;
    one.statement.at = string_of(line, "at");
    one.statement.time = recording::parse_time(one.statement.at).value_or(std::chrono::system_clock::time_point{});
    one.statement.sent = is_true(line, "sent");
    auto& text = one.text;
    text.sql = string_of(line, "sql");
    text.fingerprint = string_of(line, "fp");
    text.unparsed = string_of(line, "unparsed");
    text.bytes = number_of(line, "bytes");
    text.cut = line.contains("cut");
    const auto form = string_of(line, "proto");
    text.no_query = form == "function_call" || form == "startup";
    const auto effects = line.find("eff");
    if (effects != line.end() && effects->is_array())
        for (const auto& recorded : *effects) {
            if (!recorded.is_object()) continue;
            sql::Effect effect;
            const auto known = sql::effect_class(string_of(recorded, "c"));
            text.foreign_class = text.foreign_class || !known;
            effect.effect_class = known.value_or(sql::EffectClass::unparsed);
            const auto objects = recorded.find("o");
            if (objects != recorded.end() && objects->is_array())
                for (const auto& object : *objects)
                    if (object.is_string()) effect.objects.push_back(object_of(object.get<std::string>()));
            if (session_.facts) facts(recorded, effect);
            text.effects.push_back(std::move(effect));
        }
    text.facts = session_.facts;
    const auto d = line.find("d");
    if (d != line.end() && d->is_object()) {
        text.verdict = string_of(*d, "v");
        text.rule = string_of(*d, "rule");
        text.shadow = string_of(*d, "shadow");
    }
    one.key = Json{text.sql, text.unparsed, text.verdict, text.rule, text.shadow, text.bytes, text.facts, effects == line.end() ? Json() : *effects}.dump(-1, ' ', false, Json::error_handler_t::replace);
    by_line_[number] = pending_.size();
    pending_.push_back(std::move(one));
}

void FileReader::line(std::uint64_t number, std::string_view type, const Json& line) {
    if (type == "stmt") return statement(number, line);
    if (type == "head") {
        session_.session = string_of(line, "sid");
        session_.began = string_of(line, "at");
        session_.policy = string_of(line, "policy");
        session_.role = string_of(line, "role");
        session_.database = string_of(line, "db");
        session_.engine = string_of(line, "engine");
        session_.mode = string_of(line, "mode");
        session_.facts = number_of(line, "facts") == 1;
        if (const auto who = line.find("who"); who != line.end()) session_.caller = caller_of(*who);
        return;
    }
    auto* of = named_by(line);
    if (!of) return;
    if (type == "sent") of->sent = true;
    else if (type == "err") of->failed = true;
    else if (type == "done") {
        of->done = true;
        of->rows += number_of(line, "rows");
        of->bytes += number_of(line, "bytes");
        // COPY counts rows both ways; only one of them changes any.
        const auto& effects = pending_[by_line_.at(number_of(line, "for"))].text.effects;
        const bool writes = std::any_of(effects.begin(), effects.end(), [](const sql::Effect& effect) {
            return sql::inside(effect.effect_class, sql::EffectClass::write) || sql::inside(effect.effect_class, sql::EffectClass::bulk_import);
        });
        if (writes) of->affected += affected_rows(string_of(line, "tag"));
        if (const auto took = line.find("ms"); took != line.end() && took->is_number()) of->milliseconds += took->get<double>();
    } else if (type == "decision") {
        auto& pending = pending_[by_line_.at(number_of(line, "for"))];
        pending.text.verdict = string_of(line, "v");
        pending.text.rule = string_of(line, "rule");
        pending.key += '|' + pending.text.verdict + '|' + pending.text.rule;
    }
}

std::string FileReader::read(std::optional<std::chrono::system_clock::time_point> since, std::unordered_map<std::string, std::size_t>& texts) {
    auto reader = recording::Reader::open(session_.file);
    if (!reader) return reader.error().text();
    for (;;) {
        auto next = reader->next();
        if (!next && next.error().code == recording::errc::torn_tail) break;  // what came before is whole
        if (!next) return next.error().text();
        if (!*next) break;
        const auto parsed = Json::parse((*next)->bytes, nullptr, false);
        if (!parsed.is_object()) return "line " + std::to_string((*next)->number) + " is no object";
        line((*next)->number, (*next)->type, parsed);
        if ((*next)->number > 0) continue;
        if (session_.engine != "postgres") return "the database is " + (session_.engine.empty() ? std::string("not named") : session_.engine) + ", and only PostgreSQL's grammar is known yet";
        if (const auto began = recording::parse_time(session_.began); since && began && *began < *since) return {};
    }
    const auto session = into_.sessions.size();
    session_.names_unknown = std::any_of(pending_.begin(), pending_.end(), [](const Pending& one) {
        // A name that nobody has is recorded as it was typed in any session, with the reason why the text was not understood.
        return one.text.unparsed.empty() && std::any_of(one.text.effects.begin(), one.text.effects.end(), typed_only);
    });
    for (auto& one : pending_) {
        if (session_.names_unknown) {
            one.key += "|?";
            one.text.names_unknown = true;
            for (auto& effect : one.text.effects)
                for (auto& object : effect.objects)
                    if (object.schema.empty() || sql::inside(effect.effect_class, sql::EffectClass::call)) object.resolved = false;
        }
        const auto [known, added] = texts.try_emplace(std::move(one.key), into_.texts.size());
        if (added) into_.texts.push_back(std::move(one.text));
        one.statement.text = known->second;
        one.statement.session = session;
        ++session_.statements;
        session_.rows += one.statement.rows;
        into_.statements.push_back(std::move(one.statement));
    }
    into_.sessions.push_back(std::move(session_));
    return {};
}

}  // namespace

std::uint64_t affected_rows(std::string_view tag) {
    static constexpr std::string_view commands[] = {"INSERT ", "UPDATE ", "DELETE ", "MERGE ", "COPY "};
    if (std::none_of(std::begin(commands), std::end(commands), [&](std::string_view command) { return tag.starts_with(command); })) return 0;
    const auto last = tag.substr(tag.rfind(' ') + 1);
    std::uint64_t count = 0;
    const auto [end, error] = std::from_chars(last.data(), last.data() + last.size(), count);
    return error == std::errc() && end == last.data() + last.size() ? count : 0;
}

Result<Recordings> read_recordings(const std::vector<std::string>& paths, std::optional<std::chrono::system_clock::time_point> since) {
    std::vector<std::string> files;
    for (const auto& path : paths) {
        std::error_code failed;
        const auto status = std::filesystem::status(path, failed);
        if (!std::filesystem::exists(status)) return Error{recording::errc::cannot_read, path + ": no such file or folder"};
        if (!std::filesystem::is_directory(status)) {
            files.push_back(path);
            continue;
        }
        auto listed = recording::list_recordings(path);
        if (!listed) return listed.error();
        files.insert(files.end(), listed->begin(), listed->end());
    }
    Recordings out;
    std::unordered_map<std::string, std::size_t> texts;
    for (const auto& file : files)
        if (const auto why = FileReader(out, file).read(since, texts); !why.empty()) out.left_out.push_back(file + ": " + why);
    // In the order of time, so that the first time something happened is the first.
    std::sort(out.statements.begin(), out.statements.end(), [](const RecordedStatement& a, const RecordedStatement& b) {
        return std::tie(a.time, a.session, a.line) < std::tie(b.time, b.session, b.line);
    });
    return out;
}

int load_recordings(const std::vector<std::string>& paths, const std::string& since, Recordings& out) {
    std::optional<std::chrono::system_clock::time_point> from;
    if (!since.empty()) {
        const auto length = parse_duration(since);
        if (!length) {
            output().error("--since: '" + since + "' is no duration; write 30d or 12h");
            return exit_usage;
        }
        from = std::chrono::system_clock::now() - *length;
    }
    auto read = read_recordings(paths, from);
    if (!read) {
        output().error(read.error().detail);
        return exit_config;
    }
    out = std::move(*read);
    for (const auto& one : out.left_out) output().warning("not read: " + one);
    return exit_ok;
}

}  // namespace dbguard::cli
