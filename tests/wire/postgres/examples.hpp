#pragma once

// One or more messages of each type, as bytes and as trace line, for the tests that treat all messages alike.

#include <string>
#include <string_view>
#include <vector>

#include "wire/postgres/message.hpp"

namespace dbguard::wire::postgres::test {

using namespace std::string_literals;

/// A frame around a body.
inline std::string frame(char type, const std::string& body) {
    std::string out;
    ByteWriter writer(out);
    const auto at = begin_frame(type, writer);
    writer.bytes(body);
    end_frame(at, writer);
    return out;
}

struct Example {
    Sender sender;
    std::string bytes;
    std::string line;
    AuthPhase phase = AuthPhase::none;
    /// The last part extends to the end of the message: a shorter body may be another valid message.
    bool open_ended = false;
};

// clang-format off: a table
inline std::vector<Example> examples() {
    const auto F = Sender::frontend;
    const auto B = Sender::backend;
    return {
        {F, frame('Q', "select 1\0"s), R"(F Query "select 1")"},
        {F, frame('Q', "\0"s), R"(F Query "")"},
        {F, frame('P', "s1\0select $1\0\0\2\0\0\0\x17\0\0\0\0"s), R"(F Parse "s1" "select $1" [23 0])"},
        {F, frame('P', "\0select 1\0\0\0"s), R"(F Parse "" "select 1" [])"},
        {F,
         frame('B', "p\0s\0\0\2\0\0\0\1\0\2\0\0\0\2ab\xff\xff\xff\xff\0\1\0\1"s),
         R"(F Bind "p" "s" [0 1] ["ab" NULL] [1])"},
        {F, frame('B', "\0\0\0\0\0\1\0\0\0\0\0\0"s), R"(F Bind "" "" [] [""] [])"},
        {F, frame('D', "Ss1\0"s), R"(F Describe statement "s1")"},
        {F, frame('D', "P\0"s), R"(F Describe portal "")"},
        {F, frame('E', "\0\0\0\0\x64"s), R"(F Execute "" 100)"},
        {F, frame('E', "p\0\xff\xff\xff\xff"s), R"(F Execute "p" -1)"},
        {F, frame('C', "Ss1\0"s), R"(F Close statement "s1")"},
        {F, frame('C', "Pc\0"s), R"(F Close portal "c")"},
        {F, frame('S', ""), "F Sync"},
        {F, frame('H', ""), "F Flush"},
        {F,
         frame('F', "\0\0\4\x6b\0\1\0\1\0\2\0\0\0\1x\xff\xff\xff\xff\0\1"s),
         R"(F FunctionCall 1131 [1] ["x" NULL] 1)"},
        {F, frame('d', "a\tb\n"), R"(F CopyData "a\tb\n")", AuthPhase::none, true},
        {F, frame('c', ""), "F CopyDone"},
        {F, frame('f', "enough\0"s), R"(F CopyFail "enough")"},
        {F, frame('p', "hunter2\0"s), "F PasswordMessage ***", AuthPhase::password},
        {F,
         frame('p', "SCRAM-SHA-256\0\0\0\0\6n,,n=,"s),
         R"(F SASLInitialResponse "SCRAM-SHA-256" ***)",
         AuthPhase::sasl_initial},
        {F,
         frame('p', "SCRAM-SHA-256\0\xff\xff\xff\xff"s),
         R"(F SASLInitialResponse "SCRAM-SHA-256")",
         AuthPhase::sasl_initial},
        {F, frame('p', "c=biws"), "F SASLResponse ***", AuthPhase::sasl_response, true},
        {F, frame('p', "\1\2"), "F GSSResponse ***", AuthPhase::gss_response, true},
        {F, frame('X', ""), "F Terminate"},

        {B, frame('R', "\0\0\0\0"s), "B AuthenticationOk"},
        {B, frame('R', "\0\0\0\2"s), "B AuthenticationKerberosV5"},
        {B, frame('R', "\0\0\0\3"s), "B AuthenticationCleartextPassword"},
        {B, frame('R', "\0\0\0\5salt"s), "B AuthenticationMD5Password ***"},
        {B, frame('R', "\0\0\0\7"s), "B AuthenticationGSS"},
        {B, frame('R', "\0\0\0\x8xy"s), "B AuthenticationGSSContinue ***", AuthPhase::none, true},
        {B, frame('R', "\0\0\0\x9"s), "B AuthenticationSSPI"},
        {B,
         frame('R', "\0\0\0\xaSCRAM-SHA-256-PLUS\0SCRAM-SHA-256\0\0"s),
         R"(B AuthenticationSASL "SCRAM-SHA-256-PLUS" "SCRAM-SHA-256")"},
        {B, frame('R', "\0\0\0\xbr=x"s), "B AuthenticationSASLContinue ***", AuthPhase::none, true},
        {B, frame('R', "\0\0\0\xcv=x"s), "B AuthenticationSASLFinal ***", AuthPhase::none, true},
        {B, frame('K', "\0\0\x30\x39keyy"s), "B BackendKeyData 12345 ***"},
        {B, frame('K', "\0\0\x30\x39"s + std::string(32, 'k')), "B BackendKeyData 12345 ***", AuthPhase::none, true},
        {B, frame('S', "TimeZone\0UTC\0"s), R"(B ParameterStatus "TimeZone" "UTC")"},
        {B, frame('v', "\0\3\0\0\0\0\0\1_pq_.x\0"s), R"(B NegotiateProtocolVersion 3.0 "_pq_.x")"},
        {B, frame('Z', "I"), "B ReadyForQuery I"},
        {B, frame('Z', "T"), "B ReadyForQuery T"},
        {B, frame('Z', "E"), "B ReadyForQuery E"},
        {B,
         frame(
             'T',
             "\0\2id\0\0\0\x40\1\0\1\0\0\0\x17\0\4\xff\xff\xff\xff\0\1"s
             "n\0\0\0\0\0\0\0\0\0\4\x13\xff\xff\0\0\0\x0e\0\0"s
         ),
         R"(B RowDescription "id":23@16385.1/1 "n":1043(14))"},
        {B, frame('T', "\0\0"s), "B RowDescription"},
        {B, frame('t', "\0\1\0\0\0\x19"s), "B ParameterDescription [25]"},
        {B, frame('D', "\0\3\0\0\0\1a\xff\xff\xff\xff\0\0\0\0"s), R"(B DataRow "a" NULL "")"},
        {B, frame('D', "\0\0"s), "B DataRow"},
        {B, frame('C', "SELECT 1\0"s), R"(B CommandComplete "SELECT 1")"},
        {B, frame('I', ""), "B EmptyQueryResponse"},
        {B,
         frame('E', "SERROR\0C42P01\0Mrelation \"x\" does not exist\0\0"s),
         R"(B ErrorResponse S="ERROR" C="42P01" M="relation \"x\" does not exist")"},
        {B, frame('N', "SNOTICE\0\0"s), R"(B NoticeResponse S="NOTICE")"},
        {B, frame('N', "\0"s), "B NoticeResponse"},
        {B, frame('A', "\0\0\0\7ch\0hello\0"s), R"(B NotificationResponse 7 "ch" "hello")"},
        {B, frame('1', ""), "B ParseComplete"},
        {B, frame('2', ""), "B BindComplete"},
        {B, frame('3', ""), "B CloseComplete"},
        {B, frame('n', ""), "B NoData"},
        {B, frame('s', ""), "B PortalSuspended"},
        {B, frame('G', "\0\0\2\0\0\0\0"s), "B CopyInResponse text [0 0]"},
        {B, frame('H', "\1\0\1\0\1"s), "B CopyOutResponse binary [1]"},
        {B, frame('W', "\0\0\0"s), "B CopyBothResponse text []"},
        {B, frame('d', "1,2\n"), R"(B CopyData "1,2\n")", AuthPhase::none, true},
        {B, frame('c', ""), "B CopyDone"},
        {B, frame('V', "\0\0\0\2ok"s), R"(B FunctionCallResponse "ok")"},
        {B, frame('V', "\xff\xff\xff\xff"s), "B FunctionCallResponse NULL"},
    };
}

// clang-format on

/// Decodes and encodes again; the error's code when it was refused.
inline Result<std::string> there_and_back(Sender sender, const FrameView& view, AuthPhase phase) {
    std::string out;
    ByteWriter writer(out);
    if (sender == Sender::frontend) {
        const auto message = decode_frontend(view, phase);
        if (!message) return message.error();
        if (const auto ok = encode(*message, writer); !ok) return ok.error();
    } else {
        const auto message = decode_backend(view);
        if (!message) return message.error();
        if (const auto ok = encode(*message, writer); !ok) return ok.error();
    }
    return out;
}

}  // namespace dbguard::wire::postgres::test
