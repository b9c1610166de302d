#include "models/shared_limits.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

namespace rapport {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

Status CheckLimit(const ArmShape& shape, const SharedLimit& limit) {
  const auto bad = [&](const std::string& what) {
    return Status::InvalidArgument("limit " + limit.name + ": " + what);
  };
  if (limit.most < 0) return bad("its amount is below 0; 0 means none, no limit is said by leaving it out");
  if (limit.per_send.size() != shape.channels) return bad("one amount per send is needed for each channel");
  for (int64_t units : limit.per_send) {
    if (units < 0) return bad("what a send takes is below 0");
  }
  if (!limit.contents.empty() && !limit.slots.empty()) {
    return bad("it names contents and hours; name one of the two, or make two limits");
  }
  for (uint16_t content : limit.contents) {
    if (content >= shape.contents()) return bad("there is no content " + std::to_string(content));
  }
  for (uint8_t slot : limit.slots) {
    if (slot >= kSlots) return bad("there is no hour " + std::to_string(slot) + "; a plan has 0 to 167");
  }
  if (!(limit.units_per_one > 0)) return bad("units_per_one must be above 0");
  return Status::Ok();
}

bool FitsParts(std::span<const LimitSet::Part> parts, const std::vector<SharedLimit>& limits,
               std::span<const int64_t> used) {
  for (const LimitSet::Part& part : parts) {
    if (used[part.limit] > limits[part.limit].most - part.units) return false;
  }
  return true;
}

double PriceOfParts(std::span<const LimitSet::Part> parts, std::span<const double> prices) {
  double price = 0;
  for (const LimitSet::Part& part : parts) price += prices[part.limit] * static_cast<double>(part.units);
  return price;
}

}  // namespace

Status ArmShape::Check() const {
  if (channels == 0 || channels > kChannelsMax) {
    return Status::InvalidArgument("a plan has 1 to " + std::to_string(kChannelsMax) + " channels");
  }
  if (kinds == 0 || kinds > kKindsMax) {
    return Status::InvalidArgument("a plan has 1 to " + std::to_string(kKindsMax) + " kinds");
  }
  if (content_kind.empty() || contents() > kContentsMax) {
    return Status::InvalidArgument("a plan has 1 to " + std::to_string(kContentsMax) + " contents, here " +
                                   std::to_string(contents()));
  }
  if (margins.size() != contents()) return Status::InvalidArgument("each content needs one margin");
  for (size_t i = 0; i < contents(); ++i) {
    if (content_kind[i] >= kinds) return Status::InvalidArgument("content " + std::to_string(i) + " has no known kind");
    if (!(margins[i] >= 0) || margins[i] > 1e9f) {
      return Status::InvalidArgument("the margin of content " + std::to_string(i) + " is not between 0 and 1e9");
    }
  }
  return Status::Ok();
}

void LimitSet::Rows::Fill(const std::vector<std::vector<Part>>& rows) {
  std::map<std::vector<std::pair<uint32_t, int64_t>>, uint32_t> known;
  known[{}] = 0;
  starts.push_back(0);
  for (const std::vector<Part>& row : rows) {
    parts.insert(parts.end(), row.begin(), row.end());
    starts.push_back(static_cast<uint32_t>(parts.size()));
    std::vector<std::pair<uint32_t, int64_t>> key;
    for (const Part& part : row) key.emplace_back(part.limit, part.units);
    classes.push_back(known.try_emplace(std::move(key), static_cast<uint32_t>(known.size())).first->second);
  }
}

Result<LimitSet> LimitSet::Make(const ArmShape& shape, std::vector<SharedLimit> limits) {
  RAPPORT_RETURN_IF_ERROR(shape.Check());
  if (limits.size() > kLimitsMax) {
    return Status::InvalidArgument("at most " + std::to_string(kLimitsMax) + " limits, here " +
                                   std::to_string(limits.size()));
  }
  LimitSet set;
  set.contents_ = shape.contents();
  set.content_stride_ = shape.content_stride();
  set.channels_ = shape.channels;
  std::vector<std::vector<Part>> by_content(shape.channels * shape.contents()), by_slot(shape.channels * kSlots);
  for (uint32_t k = 0; k < limits.size(); ++k) {
    const SharedLimit& limit = limits[k];
    RAPPORT_RETURN_IF_ERROR(CheckLimit(shape, limit));
    std::vector<uint8_t> is_in(std::max(shape.contents(), kSlots), limit.contents.empty() && limit.slots.empty());
    for (uint16_t content : limit.contents) is_in[content] = 1;
    for (uint8_t slot : limit.slots) is_in[slot] = 1;
    const bool of_slots = !limit.slots.empty();
    const size_t columns = of_slots ? kSlots : shape.contents();
    for (size_t c = 0; c < shape.channels; ++c) {
      if (limit.per_send[c] == 0) continue;
      for (size_t j = 0; j < columns; ++j) {
        if (is_in[j] != 0) (of_slots ? by_slot : by_content)[c * columns + j].push_back({k, limit.per_send[c]});
      }
    }
  }
  set.limits_ = std::move(limits);
  set.content_channel_.Fill(by_content);
  set.channel_slot_.Fill(by_slot);
  set.tells_slots_.assign(shape.channels, 0);
  for (size_t row = 0; row < by_slot.size(); ++row) {
    if (!by_slot[row].empty()) set.tells_slots_[row / kSlots] = 1;
  }
  return set;
}

std::vector<double> LimitSet::MeanUnits(std::span<const Arm> chosen) const {
  std::vector<double> units(size(), 0), sends(size(), 0);
  for (Arm arm : chosen) {
    if (arm.IsNothing()) continue;
    for (std::span<const Part> parts : {OfContent(arm), OfSlot(arm)}) {
      for (const Part& part : parts) {
        units[part.limit] += static_cast<double>(part.units);
        ++sends[part.limit];
      }
    }
  }
  for (size_t k = 0; k < size(); ++k) {
    const std::vector<int64_t>& most = limits_[k].per_send;
    units[k] = sends[k] > 0 ? units[k] / sends[k] : static_cast<double>(*std::max_element(most.begin(), most.end()));
    units[k] = std::max(units[k], 1.0);
  }
  return units;
}

bool LimitSet::TakeTheSame(Arm a, Arm b) const {
  if (a.IsNothing() || b.IsNothing()) return a.IsNothing() && b.IsNothing();
  return ContentClass(a.content, a.channel) == ContentClass(b.content, b.channel) &&
         channel_slot_.classes[a.channel * kSlots + a.slot] == channel_slot_.classes[b.channel * kSlots + b.slot];
}

PriceTables LimitSet::Prices(std::span<const double> prices, std::span<const int64_t> used) const {
  PriceTables tables;
  tables.content_channel.assign(channels_ * content_stride_, kInfinity);
  tables.channel_slot.assign(channels_ * kSlotStride, kInfinity);
  tables.slot_least.assign(channels_, kInfinity);
  const auto price = [&](std::span<const Part> parts) {
    if (!used.empty() && !FitsParts(parts, limits_, used)) return kInfinity;
    return static_cast<float>(PriceOfParts(parts, prices));
  };
  for (size_t c = 0; c < channels_; ++c) {
    for (size_t i = 0; i < contents_; ++i) {
      tables.content_channel[c * content_stride_ + i] = price(content_channel_.Row(c * contents_ + i));
    }
    for (size_t s = 0; s < kSlots; ++s) {
      const float of_slot = price(channel_slot_.Row(c * kSlots + s));
      tables.channel_slot[c * kSlotStride + s] = of_slot;
      tables.slot_least[c] = std::min(tables.slot_least[c], of_slot);
    }
  }
  return tables;
}

double LimitSet::PriceOf(Arm arm, std::span<const double> prices) const {
  return PriceOfParts(OfContent(arm), prices) + PriceOfParts(OfSlot(arm), prices);
}

bool LimitSet::Fits(Arm arm, std::span<const int64_t> used) const {
  return FitsParts(OfContent(arm), limits_, used) && FitsParts(OfSlot(arm), limits_, used);
}

void LimitSet::Take(Arm arm, std::span<int64_t> used) const {
  for (const Part& part : OfContent(arm)) used[part.limit] += part.units;
  for (const Part& part : OfSlot(arm)) used[part.limit] += part.units;
}

}  // namespace rapport
