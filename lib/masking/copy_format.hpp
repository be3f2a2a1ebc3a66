#pragma once

// Masks fields inside the data of COPY TO STDOUT. Fields that carry no mask stay byte for byte;
// anything not understood is an error, after which the copy must be ended. Source: PostgreSQL
// manual, COPY, "File Formats".

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "masking/apply.hpp"

namespace dbguard::masking {

namespace errc {
inline constexpr std::string_view bad_copy_options = "bad_copy_options";
inline constexpr std::string_view bad_copy_data = "bad_copy_data";
inline constexpr std::string_view copy_row_too_long = "copy_row_too_long";
}  // namespace errc

enum class CopyFormat : std::uint8_t { text, csv, binary };

/// One a column of the output, in its order.
struct CopyColumn {
    std::optional<Mask> mask;          ///< empty: as it is
    std::shared_ptr<const Type> type;  ///< needed where there is a mask; empty is like Kind::other
    bool force_quote = false;          ///< FORCE_QUOTE names it
};

/// As the COPY statement says; the defaults are those of the text format.
struct CopyOptions {
    CopyFormat format = CopyFormat::text;
    char delimiter = '\t';
    std::string null = "\\N";
    char quote = '"';
    char escape = '"';
    bool header = false;
    std::optional<std::string> encoding;  ///< ENCODING; else client_encoding
    /// A row is held until it is whole when the server cuts it into several messages.
    std::size_t max_row_bytes = std::size_t{1} << 30;

    /// The defaults of FORMAT csv: `,`, empty NULL, `"`.
    static CopyOptions csv();
    static CopyOptions binary();
};

class CopyMasker {
  public:
    /// Borrows `masker` as long as it lives: its settings count as they are when a row comes.
    /// Errors: bad_copy_options (options that cannot be told apart, an encoding whose characters
    /// hold ASCII bytes).
    static Result<CopyMasker> make(
        const Masker& masker, CopyOptions options, std::vector<CopyColumn> columns
    );

    /// One CopyData payload. Appends what is to be sent instead: whole rows, nothing when the row
    /// goes on in the next payload. Errors: bad_copy_data, copy_row_too_long; then the masker must
    /// not be fed again.
    Result<void> feed(std::string_view data, std::string& out);
    /// At CopyDone. Errors: bad_copy_data (an unfinished row).
    Result<void> finish() const;

    /// Rows so far, the header line not counted.
    std::uint64_t rows() const { return rows_; }

  private:
    CopyMasker(const Masker& masker, CopyOptions options, std::vector<CopyColumn> columns);

    /// Each masks what begins at the front of `data` and says how many bytes that was: a row, or
    /// the binary format's header or trailer. 0: it is not whole yet.
    Result<std::size_t> text_row(std::string_view data, std::string& out);
    Result<std::size_t> csv_row(std::string_view data, std::string& out);
    Result<std::size_t> binary_row(std::string_view data, std::string& out);
    Applied mask(std::size_t column, Format format, std::string_view value);
    void append_text(std::string_view value, std::string& out) const;
    void append_csv(std::string_view value, bool force_quote, std::string& out) const;

    const Masker* masker_;
    CopyOptions options_;
    std::vector<CopyColumn> columns_;
    std::string held_;  ///< the beginning of a row whose end has not come
    std::size_t scanned_ =
        0;  ///< bytes at the front of the current row that are known to hold no end of it
    bool in_quotes_ = false;  ///< at scanned_ (CSV)
    bool header_seen_ = false;
    bool trailer_seen_ = false;
    std::uint64_t rows_ = 0;
    std::string value_, masked_;  ///< reused from field to field
};

}  // namespace dbguard::masking
