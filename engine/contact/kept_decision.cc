#include "engine/contact/kept_decision.h"

#include <algorithm>

namespace rapport {

Contact PlannedContact(const DecisionResponse& decision) {
  const DecisionArm& arm = decision.outcome.chosen;
  Contact contact;
  contact.id = decision.id;
  contact.channel = decision.settings->channels[arm.channel].name;
  if (arm.place != kNoPlaceArm) contact.place = decision.settings->places[arm.place].name;
  contact.purpose = decision.purpose;
  contact.item = decision.contents[arm.content].item;
  contact.time = arm.at;
  contact.planned = true;
  contact.affinity = decision.contents[arm.content].affinity;
  return contact;
}

void AddPending(const Contact& contact, ContactLog* log) {
  for (const Contact& known : log->contacts) {
    if (known.id == contact.id) return;
  }
  const auto at = std::upper_bound(log->contacts.begin(), log->contacts.end(), contact,
                                   [](const Contact& a, const Contact& b) { return a.time < b.time; });
  log->contacts.insert(at, contact);
}

std::vector<Operation> KeepingOperations(const CustomerRef& customer, const DecisionResponse& decision,
                                         const FormatDecision& format) {
  std::vector<Operation> operations;
  PutDecision put;
  put.decision.id = decision.id;
  put.decision.customer = decision.customer;
  put.decision.time = decision.time;
  put.decision.generation = decision.response_generation;
  put.decision.body = format ? format(decision) : "{}";
  operations.push_back(std::move(put));
  if (decision.outcome.chosen.content == kNothing) return operations;
  const Contact contact = PlannedContact(decision);
  AppendEvent planned;
  planned.customer = customer;
  Event& event = planned.event;
  event.type = EventType::kContactPlanned;
  event.name = "Contact Planned";
  event.source = "decision";
  event.message_id = event.order_id = decision.id;
  event.time = event.received_at = decision.time;
  event.channel = contact.channel;
  event.store_id = contact.place;
  event.contact.purpose = contact.purpose;
  event.contact.at = contact.time;
  event.contact.affinity = contact.affinity;
  planned.lines.push_back({decision.contents[decision.outcome.chosen.content].external_id, 1, std::nullopt});
  operations.push_back(std::move(planned));
  return operations;
}

}  // namespace rapport
