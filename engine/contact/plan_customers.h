// The customers of one batch of decisions, small enough that a million fit into memory: what the response model and the
// hard rules say of each, as the tables that allocation reads (models/arms.h).
//
//   slot s            the hour [from + s h, from + (s + 1) h) of the plan, 168 of them, the same instants for everybody
//   minute of a slot  the first one that the quiet hours of (zone, channel) leave; a contact is sent then
//   channel_slot      m + b[c][h(zone, s)] + own level, channel and hour + fatigue; -infinity: a hard rule forbids it
//   content_channel   b[i][c] + own kind + a x affinity; -infinity: no consent for the content's topic
//   cost              of a send + P(leaves | c) x lifetime value
//
// The hard rules are asked here, before anything is scored, and are never prices (feasibility.h). Places are not arms
// of a batch: channels at a place are left to single decisions.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/contact/contact_reader.h"
#include "engine/contact/contact_settings.h"
#include "engine/contact/feasibility.h"
#include "models/arms.h"
#include "models/response_model.h"

namespace rapport {

struct PlanChannel {
  uint32_t settings = 0;  // index into ContactSettings::channels
  uint8_t model = 0;      // in the response model
};

struct PlanContent {
  ItemId item;
  std::string name;                    // external id
  uint32_t row = kNoContent;           // in the response model
  uint8_t kind = 0;                    // in the response model
  double margin = 0;                   // what a response is worth, >= 0
  std::string topic;                   // empty: none
  std::optional<uint64_t> stock = {};  // to how many customers at most
};

// The same for all customers. References outlive what is made from it.
struct PlanFrame {
  const ContactSettings& settings;
  const ResponseModel& model;
  Timestamp from;  // a whole hour
  std::string purpose = "marketing";
  std::vector<PlanChannel> channels;
  std::vector<PlanContent> contents;
  bool with_affinity = false;
  bool with_refused = false;  // some contents are not for everybody

  Timestamp until() const { return {from.ms + static_cast<int64_t>(kSlots) * kHourMs}; }
  Status Check() const;
};

// What is known of one customer.
struct PlanEvidence {
  std::string external_id;
  uint32_t zone = 0;  // PlanCustomers::Zone
  const ContactCustomer* customer = nullptr;
  const CustomerResponse* response = nullptr;
  float recent_sends = 0;
  bool holdout = false;
  std::span<const float> affinity;  // by content, where the frame has it
  ZoneSource zone_source = ZoneSource::kShop;
  bool personal = true;
  uint32_t contacts_known = 0;
  std::span<const uint8_t> refused;  // by content, where the frame has it: not 0: not for this customer
};

// Filled by its owner, each index once and from any thread; then immutable.
class PlanCustomers {
 public:
  static constexpr size_t kTopicsMax = 16;

  // REQUIRES a frame that passed its Check.
  PlanCustomers(PlanFrame frame, uint32_t customers);

  // kInvalidArgument for an unknown zone. Thread-safe.
  Result<uint32_t> Zone(const std::string& name);
  void Set(uint32_t index, const PlanEvidence& evidence);

  uint32_t size() const { return static_cast<uint32_t>(rows_.size()); }
  const PlanFrame& frame() const { return frame_; }
  const ArmShape& shape() const { return shape_; }
  void Fill(uint32_t index, CustomerArms* arms) const;
  ArmSource Source() const;

  const std::string& external_id(uint32_t index) const { return rows_[index].external_id; }
  // Why no channel is left, where none is.
  ContactRefusal refusal(uint32_t index) const { return rows_[index].refusal; }
  // What a kept decision says of the customer beside the arm.
  struct Known {
    const std::string& zone;
    const LocalTime& local;
    ZoneSource zone_source;
    bool personal;
    uint32_t contacts_known;
  };
  Known known(uint32_t index) const;
  // Logits beyond everybody's: of the slot, and of the kind.
  float own_slot(uint32_t index, uint8_t slot) const { return own_[own_size_ * index + slot]; }
  float own_kind(uint32_t index, uint8_t kind) const {
    return own_[own_size_ * index + kSlots + frame_.channels.size() + kind];
  }
  float affinity(uint32_t index, uint16_t content) const {
    return affinity_.empty() ? 0 : affinity_[index * shape_.contents() + content];
  }
  // When an arm of this customer is sent. REQUIRES an arm that is not nothing.
  Timestamp TimeOf(uint32_t index, Arm arm) const;

 private:
  struct ZoneTables {
    std::string name;
    std::unique_ptr<LocalTime> local;
    std::vector<uint8_t> hour_of_slot;  // (168)
    std::vector<int16_t> minute;        // (channels, 168); -1: quiet hours take the whole slot
    std::vector<float> channel_slot;    // (channels, kSlotStride)
    std::vector<float> kind_slot;       // (kinds, kSlotStride), or (channels, kinds, kSlotStride): kind_slot_step_
    std::vector<float> factor_slot;     // (factors, channels, kinds, kSlotStride): ResponseModel::factors
  };
  struct Row {
    std::string external_id;
    uint32_t zone = 0;
    uint32_t channels = 0;  // bit: some slot may be left
    bool own_slots = false;
    uint32_t contacts_known = 0;
    ZoneSource zone_source = ZoneSource::kShop;
    bool personal = true, refuses = false;  // some content
    ContactRefusal refusal = ContactRefusal::kNone;
  };

  void FillKinds(const ZoneTables& zone, uint32_t channel_bits, const float* together, CustomerArms* arms) const;
  void SetRefused(uint32_t index, std::span<const uint8_t> refused);
  ZoneTables MakeZone(LocalTime local) const;
  ContactRefusal Rules(const Feasibility& rules, size_t channel, const PlanEvidence& evidence, const ZoneTables& zone,
                       Row* row, uint8_t* slots, uint32_t* topic_bits) const;
  bool MayBind(const FrequencyCap& cap, const std::string& channel, const ContactCustomer& customer) const;

  PlanFrame frame_;
  ArmShape shape_;
  std::vector<std::string> topics_;     // distinct; the empty one like the others
  std::vector<uint8_t> topic_of_;       // by content
  std::vector<float> content_channel_;  // (channels, content_stride)
  size_t kind_slot_step_ = 0;           // CustomerArms::kind_slot_step
  std::mutex zones_mutex_;
  ZoneBook book_;
  std::map<std::string, uint32_t> zone_numbers_;
  std::deque<ZoneTables> zones_;

  std::vector<Row> rows_;
  std::vector<float> own_;            // (customers, own_size_): slots, then channels, kinds, costs, factors
  std::vector<uint8_t> own_slots_;    // (customers, channels, 21): bit: allowed, where Row::own_slots
  std::vector<uint32_t> topic_bits_;  // (customers, topics): channels that the topic may use
  std::vector<float> affinity_;       // (customers, contents)
  std::vector<uint8_t> refused_;      // (customers, (contents + 7) / 8), bit: not for this customer
  size_t own_size_ = 0, factors_ = 0;
};

}  // namespace rapport
