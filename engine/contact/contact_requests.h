// Questions about contacts and their answers, as plain values. Protocol-free: server/endpoints turns JSON into these.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/operations.h"
#include "engine/contact/contact_reader.h"
#include "engine/contact/decider.h"
#include "engine/requests.h"

namespace rapport {

// Whether, when and how to reach one customer, and with what.
struct DecisionRequest {
  CustomerRef customer;
  std::string purpose = "marketing";
  std::vector<std::string> items;     // external ids to choose from; empty: what would be recommended
  RecommendRequest question;          // scenario, kind, filter, exclude and boosts of that; count: contents considered
  std::vector<std::string> channels;  // names; empty: all
  std::optional<Timestamp> from;      // not before; absent or past: now
  std::optional<Timestamp> until;     // before; absent: a week after `from`
  std::optional<GeoPoint> near;       // where the customer is; absent: the traits latitude and longitude
  bool explain = false;               // with the content's reasons, which cost several page views
  bool dry_run = false;               // nothing is kept: no decision, no planned contact
  Timestamp now;
};

// A content that was considered.
struct DecisionContent {
  ItemId item;
  std::string external_id, title, kind, language;
  Level level = Level::kStatic;  // how personal the choice of it is
  float affinity = 0;            // what the content model thinks of it, -1 to 1
  std::vector<Reason> reasons;
};

struct DecisionResponse {
  std::string id;
  CustomerId customer;
  Timestamp time, from, until;
  std::string purpose;
  uint64_t seed = 0;
  uint64_t content_generation = 0, response_generation = 0;
  std::shared_ptr<const ContactSettings> settings;  // as they were
  uint64_t settings_version = 0;                    // of them
  bool dry_run = false;
  bool personal = true;  // false: personalization is off, everybody's curve was used
  ZoneChoice zone;
  int64_t zone_offset_ms = 0;             // at the chosen moment
  size_t contacts_known = 0;              // sent so far, what the model knows the customer by
  std::vector<DecisionContent> contents;  // by index of the arms
  std::vector<RankResponse::Refused> refused_items;
  std::vector<std::string> unknown_items;
  DecisionOutcome outcome;
  // Of the chosen arm, logits: how much speaks for the hour, the channel and the kind beyond what everybody's does.
  double own_hour = 0, own_channel = 0, own_kind = 0;
  uint16_t usual_hour = 0;  // best hour of the week for everybody on the chosen channel
  // Of a batch only: its name, the number in [0, 1) that was drawn, why this arm (PlanReasonName).
  std::string batch, batch_reason;
  double batch_draw = 0;
};

// A decision that is not kept yet. `operations` are for the store (empty: nothing is to be kept); `settle` is to be
// called once when the store has said what became of them, from any thread, also after the engine is gone; and only
// then the decision may be told.
struct PreparedDecision {
  DecisionResponse decision;
  std::vector<Operation> operations;
  std::function<void()> settle;
};

// Why this content, for this customer; by external id.
using ReasonsOf = std::function<std::vector<Reason>(const std::string& item)>;
// Writes what is kept of a decision (JSON is the edge's business).
using FormatDecision = std::function<std::string(const DecisionResponse&)>;

}  // namespace rapport
