// Limits that customers share: money, sends of a channel, sends of a channel in an hour, agents, stock of a content.
//
//   sum over chosen arms of a_k(arm) <= most_k;  a_k(i, c, s) = per_send_k[c] [i in contents_k] [s in slots_k]
//   price of an arm = sum_k price_k a_k(i, c, s) = content_channel[c][i] + channel_slot[c][s]
//
// A limit names contents or slots or neither, never both, so the prices of all arms are two small tables. Amounts are
// whole numbers of the limit's own unit (a send, a minute, a millionth of the currency): sums are exact.
// Source: docs/MODELS.md "Allocation".
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"
#include "models/arms.h"

namespace rapport {

struct SharedLimit {
  std::string name;
  int64_t most = 0;                // in units; 0: none of it
  std::vector<int64_t> per_send;   // by channel: units that one send takes; 0: the channel is not meant
  std::vector<uint16_t> contents;  // empty: all
  std::vector<uint8_t> slots;      // empty: all
  double units_per_one = 1;        // for people: 1e6 where units are millionths of the currency
};

// Prices as the search reads them, in money per send. Owned by the caller; immutable in use.
struct PriceTables {
  std::vector<float> content_channel;  // (channels, content_stride); +infinity in padding and where nothing is left
  std::vector<float> channel_slot;     // (channels, kSlotStride), likewise
  std::vector<float> slot_least;       // (channels) the smallest of the channel's slots

  size_t content_stride() const { return content_channel.size() / slot_least.size(); }
  // REQUIRES an arm that is not nothing.
  float Of(Arm arm) const {
    return content_channel[arm.channel * content_stride() + arm.content] +
           channel_slot[arm.channel * kSlotStride + arm.slot];
  }
};

// The limits of one plan, looked up by arm. Immutable, any thread.
class LimitSet {
 public:
  struct Part {
    uint32_t limit;
    int64_t units;
  };
  static constexpr size_t kLimitsMax = 2'000;

  // Bad limits: a sentence that says which and why.
  static Result<LimitSet> Make(const ArmShape& shape, std::vector<SharedLimit> limits);

  size_t size() const { return limits_.size(); }
  const SharedLimit& operator[](size_t k) const { return limits_[k]; }
  // What an arm takes: of limits without slots, and of those with. REQUIRES not nothing.
  std::span<const Part> OfContent(Arm arm) const { return content_channel_.Row(arm.channel * contents_ + arm.content); }
  std::span<const Part> OfSlot(Arm arm) const { return channel_slot_.Row(arm.channel * kSlots + arm.slot); }
  // Equal numbers: the same limits in the same amounts. 0 in the slot's part: no limit knows the slots of this channel.
  uint32_t ContentClass(size_t content, size_t channel) const {
    return content_channel_.classes[channel * contents_ + content];
  }
  bool TellsSlots(size_t channel) const { return tells_slots_[channel] != 0; }
  // By limit: what the chosen arms take per send that takes any of it, at least 1.
  std::vector<double> MeanUnits(std::span<const Arm> chosen) const;
  bool TakeTheSame(Arm a, Arm b) const;

  // `used` (size()): arms that no longer fit get +infinity; empty: none is used. `prices` (size()): money per unit.
  PriceTables Prices(std::span<const double> prices, std::span<const int64_t> used) const;
  double PriceOf(Arm arm, std::span<const double> prices) const;
  bool Fits(Arm arm, std::span<const int64_t> used) const;
  // REQUIRES Fits, for the promise that no limit is exceeded.
  void Take(Arm arm, std::span<int64_t> used) const;

 private:
  struct Rows {  // row r: parts[starts[r] .. starts[r + 1])
    std::vector<uint32_t> starts;
    std::vector<Part> parts;
    std::vector<uint32_t> classes;

    std::span<const Part> Row(size_t row) const { return {parts.data() + starts[row], parts.data() + starts[row + 1]}; }
    void Fill(const std::vector<std::vector<Part>>& rows);
  };

  size_t contents_ = 0, content_stride_ = 0, channels_ = 0;
  std::vector<SharedLimit> limits_;
  Rows content_channel_, channel_slot_;
  std::vector<uint8_t> tells_slots_;
};

}  // namespace rapport
