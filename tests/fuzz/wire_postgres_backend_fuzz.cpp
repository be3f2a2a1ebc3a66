// Backend messages: whatever decodes encodes back to the same bytes, also through its owned form, and prints.
#include <cstdlib>
#include <vector>

#include "wire/postgres/message.hpp"
#include "wire/postgres/trace.hpp"

using namespace dbguard::wire::postgres;

namespace {

void check_owned_forms(const FrameView& frame, const BackendMessage& message) {
    std::string back;
    dbguard::ByteWriter out(back);
    if (const auto* columns = std::get_if<RowDescriptionView>(&message)) {
        if (!encode_row_description(to_columns(*columns), out) || back != frame.bytes) std::abort();
    } else if (const auto* error = std::get_if<ErrorResponseView>(&message)) {
        if (!encode_error_response(ErrorFields(error->fields), out) || back != frame.bytes)
            std::abort();
    } else if (const auto* row = std::get_if<DataRowView>(&message)) {
        std::vector<ValueView> fields;
        if (!split_data_row(frame.body, fields)) std::abort();
        if (fields != std::vector<ValueView>(row->values.begin(), row->values.end())) std::abort();
        if (!encode_data_row(fields, out) || back != frame.bytes) std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    FrameReader reader(Sender::backend);
    reader.feed({reinterpret_cast<const char*>(data), size});
    while (true) {
        const auto frame = reader.next();
        if (!frame || !*frame) return 0;
        const auto line = trace(Sender::backend, **frame);
        if (line.find('\n') != std::string::npos) std::abort();
        const auto message = decode_backend(**frame);
        std::vector<ValueView> fields;
        if ((*frame)->type == 'D' && split_data_row((*frame)->body, fields) != message.has_value())
            std::abort();
        if (!message) continue;
        std::string back;
        dbguard::ByteWriter out(back);
        if (!encode(*message, out) || back != (*frame)->bytes) std::abort();
        check_owned_forms(**frame, *message);
    }
}
