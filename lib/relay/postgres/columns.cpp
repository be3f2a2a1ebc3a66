#include "relay/postgres/columns.hpp"

#include <cstring>

#include "base/byte_writer.hpp"
#include "masking/type.hpp"
#include "wire/postgres/lists.hpp"

namespace dbguard::relay::postgres {

namespace wp = wire::postgres;

namespace {

/// The stricter of what the plan and the origin say; empty: as it is.
std::optional<masking::Mask> combined(std::optional<masking::Mask> planned, const Session::Origin& origin) {
    if (!origin.known) return masking::Mask{masking::Function::null};
    if (!origin.mask) return planned;
    if (!planned) return origin.mask;
    return masking::stricter(*planned, *origin.mask);
}

}  // namespace

const std::vector<std::optional<masking::Mask>> as_it_is;
const std::vector<std::optional<masking::Mask>> of_tables_alone;

std::shared_ptr<const ResultColumns> make_columns(
    std::string_view description_body,
    const wp::RowDescriptionView& description,
    const std::vector<std::optional<masking::Mask>>* masks,
    const Session& session
) {
    auto columns = std::make_shared<ResultColumns>();
    columns->description = description_body;
    columns->count = static_cast<std::uint16_t>(description.size());
    columns->context = session.context();
    const bool of_tables = masks == &of_tables_alone;
    const bool open = masks == &as_it_is || of_tables;
    const bool fits = open || (masks != nullptr && masks->size() == description.size());
    std::uint16_t index = 0;
    for (const wp::ColumnView column : description) {
        std::optional<masking::Mask> mask;
        if (!fits)
            mask = masking::Mask{masking::Function::null};
        else {
            const auto origin = column.relation != 0 ? session.origin(column.relation, column.number) : Session::Origin{};
            mask = of_tables && !origin.of_table ? masking::Mask{masking::Function::null} : combined(open ? std::nullopt : (*masks)[index], origin);
        }
        if (mask && mask->function != masking::Function::keep)
            columns->masked.push_back(
                {index,
                 *mask,
                 column.type,
                 column.type_modifier,
                 column.format == 1 ? masking::Format::binary : masking::Format::text}
            );
        ++index;
    }
    return columns;
}

void apply_formats(std::span<MaskedColumn> masked, const std::vector<std::int16_t>& formats) {
    for (auto& column : masked) {
        std::int16_t format = 0;
        if (formats.size() == 1)
            format = formats[0];
        else if (column.index < formats.size())
            format = formats[column.index];
        column.format = format == 1 ? masking::Format::binary : masking::Format::text;
    }
}

void RowMasker::begin(const Session& session, std::vector<MaskedColumn> masked, std::uint16_t count) {
    masked_ = std::move(masked);
    count_ = count;
    types_.clear();
    masker_ = nullptr;
    if (masked_.empty()) return;
    masker_ = &session.masker();
    for (const auto& column : masked_) types_.push_back(&session.type(column.type, column.modifier));
}

RowMasker::Row RowMasker::mask(
    std::span<char> body, std::string& out, std::vector<wp::ValueView>* fields
) {
    if (body.size() < 2 || wp::load_u16(body.data()) != count_) return Row::malformed;
    replaced_.clear();
    values_.clear();
    if (fields != nullptr) fields->clear();
    std::size_t at = 2;
    std::size_t removed = 0;
    auto next = masked_.begin();
    for (std::uint16_t i = 0; i < count_; ++i) {
        if (body.size() - at < 4) return Row::malformed;
        const std::uint32_t length = wp::load_u32(body.data() + at);
        at += 4;
        const bool masked = next != masked_.end() && next->index == i;
        if (length == wp::ValueListView::null_length) {
            if (fields != nullptr) fields->push_back({});
            if (masked) ++next;
            continue;
        }
        if (length > body.size() - at) return Row::malformed;
        const auto value = body.subspan(at, length);
        at += length;
        if (fields != nullptr) fields->push_back(std::string_view(value.data(), value.size()));
        if (!masked) continue;
        const auto& column = *next;
        const masking::Type& type = *types_[next - masked_.begin()];
        ++next;
        // In binary form only text looks as it does in text form.
        const bool plain = column.format == masking::Format::text || type.kind == masking::Kind::text;
        if (plain && masker_->apply_in_place(column.mask, type, value)) continue;
        const std::size_t offset = values_.size();
        const auto applied = masker_->apply(
            column.mask, type, column.format, std::string_view(value.data(), value.size()), values_
        );
        replaced_.push_back({i, applied == masking::Applied::null, offset, values_.size() - offset});
        removed += length;
    }
    if (at != body.size()) return Row::malformed;
    if (fields != nullptr)
        for (const auto& replaced : replaced_)
            (*fields)[replaced.index] = replaced.null
                                            ? wp::ValueView{}
                                            : wp::ValueView(std::string_view(values_).substr(replaced.offset, replaced.size));
    if (replaced_.empty()) return Row::unchanged;

    ByteWriter writer(out);
    writer.u8('D');
    writer.u32(static_cast<std::uint32_t>(4 + body.size() - removed + values_.size()));
    writer.u16(count_);
    std::size_t from = 2, position = 2;
    std::uint16_t index = 0;
    const std::string_view old(body.data(), body.size());
    for (const auto& replaced : replaced_) {
        for (; index < replaced.index; ++index) {
            const std::uint32_t length = wp::load_u32(old.data() + position);
            position += length == wp::ValueListView::null_length ? 4 : std::size_t{4} + length;
        }
        writer.bytes(old.substr(from, position - from));
        if (replaced.null) {
            writer.u32(wp::ValueListView::null_length);
        } else {
            writer.u32(static_cast<std::uint32_t>(replaced.size));
            writer.bytes(std::string_view(values_).substr(replaced.offset, replaced.size));
        }
        position += std::size_t{4} + wp::load_u32(old.data() + position);
        from = position;
        ++index;
    }
    writer.bytes(old.substr(from));
    return Row::rebuilt;
}

}  // namespace dbguard::relay::postgres
