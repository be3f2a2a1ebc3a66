// A Query of several statements whose later ones can only be judged when the earlier ones have run: a function is made and called, a
// table renamed and read. It is sent statement by statement, each when the names that it meets are known.
//
// To the client it stays one message. The server runs several statements of one Query in one transaction ("Multiple Statements in a
// Simple Query", PostgreSQL manual 55.2.2.1): what is outside of the client's own BEGIN and COMMIT gets a transaction of dbguard's own
// here, as a counted Query does (affected.cpp), and the last CommandComplete waits for its end. Positions in errors count from the
// beginning of the whole text. The message itself is held until all of it is answered.

#include <algorithm>

#include "relay/postgres/adapter.hpp"
#include "wire/postgres/simple_query.hpp"

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;
using sql::StatementKind;

namespace {

/// Whether one after the other comes to the same. Not: COPY data in the middle, and a block that begins or ends in the transaction
/// that the server opened for the statements before.
bool can_be_cut(const Plan& plan, bool in_block) {
    bool in_own = false;
    for (const PlannedStatement& planned : plan.statements) {
        switch (planned.statement.kind) {
            case StatementKind::copy_in: return false;
            case StatementKind::begin:
                if (in_own) return false;
                in_block = true;
                break;
            case StatementKind::commit:
            case StatementKind::rollback:
            case StatementKind::prepare_transaction:
                if (!in_block) return false;
                in_block = false;
                break;
            case StatementKind::savepoint:
            case StatementKind::rollback_to:
            case StatementKind::release:
                if (!in_block) return false;
                break;
            default: in_own = !in_block;
        }
    }
    return true;
}

bool controls_transactions(StatementKind kind) {
    return kind == StatementKind::begin || kind == StatementKind::commit || kind == StatementKind::rollback || kind == StatementKind::prepare_transaction;
}

}  // namespace

/// Drop: the message is not one for this. Else the step that the Query takes.
Adapter::Step Adapter::begin_pieces(const Plan& plan, std::string_view text) {
    if (!plan.piece_by_piece || pipeline_open_ || (pending_.empty() && status_ == 'E')) return Step::drop;
    if (!pending_.empty()) {
        hold(Hold::drain);  // whether a transaction is open is known when all answers are there
        return Step::hold;
    }
    if (!can_be_cut(plan, status_ == 'T')) return Step::drop;
    pieces_ = std::make_unique<Pieces>();
    for (const PlannedStatement& planned : plan.statements) pieces_->statements.push_back({planned.statement.begin, planned.statement.length, planned.statement.kind});
    return send_piece(text);
}

/// Judges and sends the piece whose turn it is. The message stays held.
Adapter::Step Adapter::send_piece(std::string_view whole) {
    const Piece& piece = pieces_->statements[pieces_->next];
    const std::string_view before = whole.substr(0, std::min<std::size_t>(piece.begin, whole.size()));
    std::string_view text = whole.substr(before.size());
    if (piece.length != 0) text = text.substr(0, piece.length);
    shift_ = characters(before);
    if (!counted_ && status_ == 'I' && !controls_transactions(piece.kind)) counted_ = std::make_unique<Counted>();
    const Step step = run_query(text);
    if (step == Step::hold || step == Step::stop) return step;
    if (step == Step::pass) {
        auto& out = to_server();
        ByteWriter writer(out.own());
        [[maybe_unused]] const auto sent = wp::encode(wp::QueryView{text}, writer);
        out.commit();
    }
    pieces_->next++;
    forget_held();
    hold(Hold::piece);
    return Step::hold;
}

/// ReadyForQuery of a piece. True: another one's turn has come.
bool Adapter::next_piece(Pending& entry) {
    if (!pieces_) return false;
    if (entry.failed || muted_ || pieces_->next >= pieces_->statements.size()) {
        end_pieces();
        return false;
    }
    finish_statement(entry, last_tag_, false);
    statements_.erase({});
    portals_.erase({});
    pop();
    end_result();
    result_ = {};
    last_tag_.clear();
    if (!counted_) {
        session_.transaction_status(status_);
        if (status_ == 'I') end_portals();
    }
    release_client();
    return true;
}

/// The message is done with; the client stays held until the last answer to it is there.
void Adapter::end_pieces() {
    pieces_.reset();
    Header header;
    if (wp::decode_header(backlog_, wp::Sender::frontend, header) == wp::HeaderState::whole) backlog_.erase(0, header.frame_bytes());
}

}  // namespace dbguard::relay::postgres
