#pragma once

// Errors, notices and notifications. Source: PostgreSQL manual, "Error and Notice Message Fields".

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wire/postgres/frame.hpp"

namespace dbguard::wire::postgres {

/// The fields that the manual knows. A frontend ignores others, so they are kept, not refused.
namespace error_field {
inline constexpr char severity = 'S';  ///< may be translated
inline constexpr char severity_nonlocalized = 'V';
inline constexpr char sqlstate = 'C';
inline constexpr char message = 'M';
inline constexpr char detail = 'D';
inline constexpr char hint = 'H';
inline constexpr char position = 'P';  ///< in characters of the query, from 1
inline constexpr char internal_position = 'p';
inline constexpr char internal_query = 'q';
inline constexpr char where = 'W';
inline constexpr char schema = 's';
inline constexpr char table = 't';
inline constexpr char column = 'c';
inline constexpr char data_type = 'd';
inline constexpr char constraint = 'n';
inline constexpr char file = 'F';
inline constexpr char line = 'L';
inline constexpr char routine = 'R';
}  // namespace error_field

struct ErrorFieldView {
    char code = 0;
    std::string_view value;
};

/// The fields of an ErrorResponse or NoticeResponse, borrowed, in wire order.
struct ErrorFieldsView {
    std::string_view raw;  ///< code, text, NUL, …, without the last NUL; checked

    /// The first field of this code; empty when there is none.
    std::string_view get(char code) const;
    template <class F>
    void for_each(F&& visit) const {
        for (std::string_view rest = raw; !rest.empty();) {
            const auto end = rest.find('\0', 1);
            visit(ErrorFieldView{rest[0], rest.substr(1, end - 1)});
            rest.remove_prefix(end + 1);
        }
    }
    bool operator==(const ErrorFieldsView&) const = default;
};

struct ErrorResponseView {
    ErrorFieldsView fields;
    bool operator==(const ErrorResponseView&) const = default;
};
struct NoticeResponseView {
    ErrorFieldsView fields;
    bool operator==(const NoticeResponseView&) const = default;
};
Result<ErrorResponseView> decode_error_response(std::string_view body);
Result<NoticeResponseView> decode_notice_response(std::string_view body);
Result<void> encode(const ErrorResponseView& message, ByteWriter& out);
Result<void> encode(const NoticeResponseView& message, ByteWriter& out);

/// The same, owned: what a server said, or what dbguard says.
struct ErrorFields {
    std::vector<std::pair<char, std::string>> fields;

    ErrorFields() = default;
    explicit ErrorFields(const ErrorFieldsView& view);
    /// An error as the server would send it; `severity` is ERROR, FATAL, WARNING, NOTICE …; empty detail and hint are left out.
    ErrorFields(
        std::string_view severity,
        std::string_view sqlstate,
        std::string_view message,
        std::string_view detail = {},
        std::string_view hint = {}
    );

    /// The first field of this code; empty when there is none. Borrowed from the fields.
    std::string_view get(char code) const;
    /// Replaces the first field of this code, or adds one.
    void set(char code, std::string_view value);
    /// Removes all fields of this code.
    void remove(char code);
    std::string_view sqlstate() const { return get(error_field::sqlstate); }
    std::string_view message() const { return get(error_field::message); }
    /// "ERROR: message (42P01)", for logs that may hold the message.
    std::string text() const;
    bool operator==(const ErrorFields&) const = default;
};
/// Errors: nul_in_string, bad_value (a field without a code), oversize.
Result<void> encode_error_response(const ErrorFields& fields, ByteWriter& out);
Result<void> encode_notice_response(const ErrorFields& fields, ByteWriter& out);

/// LISTEN/NOTIFY.
struct NotificationResponseView {
    std::uint32_t process_id = 0;
    std::string_view channel;
    std::string_view payload;
    bool operator==(const NotificationResponseView&) const = default;
};
Result<NotificationResponseView> decode_notification_response(std::string_view body);
Result<void> encode(const NotificationResponseView& message, ByteWriter& out);

}  // namespace dbguard::wire::postgres
