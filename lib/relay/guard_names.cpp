// What names mean to a session: the questions that are asked of its own server connection, and what is made of the answers.

#include <utility>

#include "relay/guard_session.hpp"

namespace dbguard::relay {
namespace {

// Another session's DDL is noticed after this long at the latest, at the next statement. doc/architecture.md says why that
// is safe: columns are masked by their number, which no DDL changes.
constexpr std::chrono::milliseconds check_names_every{500};

// Where others change names all the time a session gets its turn after so many rounds: what it reads is stopped where they concern it
// (names_moved), as it is where they do so a moment later.
constexpr int most_rounds = 8;

}  // namespace

bool GuardSession::names_are_known(Clock::time_point now) {
    if (!shared_->wants_names) return true;
    // In a failed transaction nothing can be asked, and nothing but its end can run.
    if (status_ == 'E') return true;
    if (std::exchange(just_failed_, false)) return true;
    if (!stale_ && now - checked_ >= check_names_every) stale_ = true;
    // Another session's change is looked at before anything else is planned; while it is not known to be done, each time.
    if (rounds_ < most_rounds && (shared_->changes.last() != seen_ || (shared_->changes.unanswered(connection_) && !asked_now_))) stale_ = true;
    if (!stale_) rounds_ = 0;
    if (stale_ && asking_ == Asking::nothing) {
        ++rounds_;
        asking_ = Asking::state;
        checked_ = now;
        seen_ = shared_->changes.last();
    }
    return !stale_;
}

std::optional<Question> GuardSession::question() {
    const catalogue::Questions& questions = shared_->language.questions();
    switch (asking_) {
        case Asking::nothing: return {};
        case Asking::state: return Question{questions.state()};
        case Asking::digest: return Question{questions.digest(), false, 0, asked_->before_dear, asked_->after_dear};
        case Asking::load: return Question{questions.load(), false, 0, asked_->before_dear, asked_->after_dear};
        case Asking::estimate: return Question{estimating_->question, true, estimating_->shift};
        case Asking::function: return Question{questions.function(function_asked_)};
    }
    return {};
}

void GuardSession::use(const catalogue::SnapshotRef& snapshot) {
    context_ = shared_->context(snapshot, asked_->names);
    asked_.reset();
    types_.clear();
    failed_names_.clear();
    stale_ = false;
    catalogue_changed_ = false;
    asking_ = Asking::nothing;
}

void GuardSession::names_unknown(const std::string& why) {
    failed_names_ = "the catalogue could not be read: " + why;
    asking_ = Asking::nothing;
    asked_.reset();
    stale_ = false;
    checked_ = {};   // ask again before the next statement, not before this one: it may fail for ever
    just_failed_ = true;
}

void GuardSession::answer(Answer answer) {
    const catalogue::Questions& questions = shared_->language.questions();
    if (asking_ == Asking::nothing) return;
    if (asking_ != Asking::estimate) asked_now_ = true;
    if (asking_ == Asking::estimate) {
        asking_ = Asking::nothing;
        // The client has the error for an answer; its next statement is another.
        if (!answer.error.empty()) return estimating_.reset();
        // A plan that cannot be read is no estimate: the worst is taken.
        if (const auto rows = questions.read_estimate(answer.rows)) estimating_->rows[estimating_->next] = *rows;
        ++estimating_->next;
        return;
    }
    if (!answer.error.empty()) {
        if (asking_ == Asking::function) {
            shared_->built_in_functions[function_asked_] = "";
            asking_ = Asking::nothing;
            return;
        }
        if (answer.error == "25P02") {
            // What the client had sent before it failed meanwhile: nothing but the end of the transaction can run, and it must.
            asking_ = Asking::nothing;
            asked_.reset();
            just_failed_ = true;
            return;
        }
        return names_unknown("SQLSTATE " + answer.error);
    }
    switch (asking_) {
        case Asking::state: {
            auto state = questions.read_state(answer.rows);
            if (!state) return names_unknown(state.error().text());
            // The search path and the role that the last statements left.
            if (connected_ && context_ != nullptr && shared_->options.recording != nullptr) {
                const catalogue::Context& before = context_->context;
                std::string path;
                for (const std::string& schema : state->context.search_path) path += (path.empty() ? "" : ", ") + schema;
                if (before.search_path != state->context.search_path) this->state("search_path", path);
                if (before.user != state->context.user) this->state("role", state->context.user);
            }
            connected_ = true;
            asked_ = std::make_unique<Asked>(Asked{std::move(state->context), std::move(state->database_id), std::move(state->next_transaction), {}, std::move(state->before_dear), std::move(state->after_dear)});
            asked_->names.uncommitted = changed_in_transaction_;
            if (!catalogue_changed_ && asked_->names.temp_schema.empty())
                if (const auto* entry = shared_->catalogue.by_transaction(asked_->database_id, asked_->next_transaction)) return use(entry->snapshot);
            asking_ = Asking::digest;
            return;
        }
        case Asking::digest: {
            auto digest = questions.read_digest(answer.rows);
            if (!digest) return names_unknown(digest.error().text());
            asked_->digest = std::move(*digest);
            if (auto* entry = shared_->catalogue.by_digest(asked_->database_id, asked_->digest)) {
                entry->next_transaction = asked_->next_transaction;
                return use(entry->snapshot);
            }
            asking_ = Asking::load;
            return;
        }
        case Asking::load: {
            auto snapshot = questions.read_load(answer.rows, asked_->names, shared_->first_functions[asked_->names.database]);
            if (!snapshot) return names_unknown(snapshot.error().text());
            const auto& entry = shared_->catalogue.add({asked_->database_id, asked_->digest, asked_->next_transaction, *snapshot});
            return use(entry.snapshot);
        }
        case Asking::function: {
            std::string name;
            if (answer.rows.size() == 1 && answer.rows[0].size() == 2 && answer.rows[0][0] && answer.rows[0][1]) name = *answer.rows[0][0] + "." + *answer.rows[0][1];
            shared_->built_in_functions[function_asked_] = name;
            asking_ = Asking::nothing;
            return;
        }
        case Asking::estimate:
        case Asking::nothing: return;
    }
}

}  // namespace dbguard::relay
