// Where contacts are decided on: the settings and the response model in force. What may be said is the content side's
// business (Engine::Decide asks it first).
//
// Decisions about one customer are made one after the other, and each sees the contacts that those before it have
// planned, also while these are still on their way to the disk (pending): so caps hold.
// Thread-safe; owned by the Engine. `store` must outlive it.
#pragma once

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>

#include "data/store.h"
#include "engine/contact/capacity.h"
#include "engine/contact/contact_requests.h"
#include "engine/contact/response_set.h"
#include "engine/customer_view.h"

namespace rapport {

class ContactDesk {
 public:
  explicit ContactDesk(Store& store);

  std::shared_ptr<const ContactSettings> settings() const;
  uint64_t settings_version() const;
  // kInvalidArgument as Validate says; then the old ones stay.
  Status Use(ContactSettings settings);
  std::shared_ptr<const ResponseSet> responses() const { return publisher_.Get(); }
  void Publish(std::shared_ptr<const ResponseSet> next) { publisher_.Publish(std::move(next)); }

  // What the request alone says wrong: an empty window, one in the past, an unknown channel.
  Status Check(const DecisionRequest& request) const;
  // `reasons_of` is asked for the chosen content only. `ranked`: what may be said, best first, with `refused` and
  // `unknown`. `view`: the customer's, for visits and traits.
  Result<PreparedDecision> Decide(const DecisionRequest& request, const RankResponse& ranked, const CustomerView& view,
                                  const ReasonsOf& reasons_of, const FormatDecision& format);

  // ---- a batch's decisions (batch_keeper.h) ----
  // The same name and customer give the same id: that a rerun knows whom the batch has decided on.
  std::string BatchDecisionId(const std::string& batch, CustomerId customer) const;
  // Whether the store keeps a decision of this batch for the customer or a linked identity. The store's errors.
  Result<bool> DecidedInBatch(const std::string& batch, CustomerId root) const;
  // An arm that a plan chose. References outlive the call.
  struct PlannedArm {
    const ContactSettings& settings;
    const LocalTime& local;
    std::string batch;
    CustomerId root;       // as the plan knew it
    uint32_t channel = 0;  // index into settings.channels
    std::string topic;
    Contact contact;  // planned
  };
  struct Held {
    ContactRefusal refusal = ContactRefusal::kNone;
    CustomerId root;  // as it is now: for Settle
  };
  // Asks the hard rules again with what has been planned since. Where nothing forbids the arm it is pending from here
  // on: REQUIRES a Settle(root, contact id) then.
  Result<Held> Hold(const PlannedArm& arm);

  // ---- slots of an assignment (assigner.h): nothing is planned ----
  // What forbids a contact of this customer on the channel at each of the times; kNone: nothing does.
  Result<std::vector<ContactRefusal>> RefusalsAt(const ContactSettings& settings, const CustomerView& view,
                                                 const ChannelSettings& channel, const std::string& purpose,
                                                 std::span<const Timestamp> times);
  // How many more contacts the channel takes in the hour of `time`; nullopt: any number.
  std::optional<uint64_t> LeftInHour(const ContactSettings& settings, const ChannelSettings& channel,
                                     Timestamp time) const;

  // The store has said what became of the operations: the planned contact stands in its log, or nowhere.
  void Settle(CustomerId customer, const std::string& id);

 private:
  struct InForce {
    std::shared_ptr<const ContactSettings> settings;
    uint64_t version = 0;
  };
  InForce Settings() const;
  // The best arm whose hour has a place left: takes it.
  void DecideWithin(const DecisionRequest& request, DecisionInput* input, DecisionResponse* decision);
  DecisionResponse Begin(const DecisionRequest& request, const RankResponse& ranked, const CustomerView& view);
  Result<std::vector<LocalTime>> PlaceClocks(const ContactSettings& settings, Timestamp from, Timestamp until);

  Store& store_;
  const SecretKey id_key_;
  std::atomic<uint64_t> decisions_{0};
  ResponsePublisher publisher_;
  ZoneBook zones_;
  CapacityDesk capacity_;
  struct Stripe {
    std::mutex mutex;
    std::multimap<uint64_t, Contact> pending;  // by root
  };
  std::array<Stripe, 64> stripes_;  // by root
  mutable std::mutex mutex_;        // guards what follows
  InForce in_force_;
};

}  // namespace rapport
