#include "engine/learning/contact_evidence.h"

#include <cmath>
#include <cstdlib>
#include <string>

#include "base/parallel.h"
#include "base/time_zone.h"

namespace rapport {
namespace {

constexpr double kViewsPrior = 3;
constexpr size_t kGrain = 64;

float AgeDays(Timestamp end, Timestamp time) {
  return static_cast<float>(static_cast<double>(end.ms - time.ms) / kDayMs);
}

// Row of the shop's items: "item-00001" is 0.
size_t ItemRow(const std::string& external_id) {
  return std::strtoull(external_id.c_str() + external_id.find('-') + 1, nullptr, 10) - 1;
}

void ReadVisitsOf(const SimulatedShop& shop, size_t u, KnownVisits* visits) {
  const Timestamp end{shop.options.start.ms + static_cast<int64_t>(shop.options.days) * kDayMs};
  const Result<TimeZone> zone = TimeZone::Open(shop.customers[u].profile.time_zone);
  TasteVector sum{};
  double views = 0;
  Timestamp last{0};
  for (const AppendEvent& event : SimulateCustomer(shop, u)) {
    const Timestamp time = event.event.time;
    if (time.ms - last.ms > kHourMs) {
      visits->hours[u].push_back(static_cast<uint16_t>(zone.ok() ? HourOfWeek(zone->ToWall(time)) : HourOfWeek(time)));
      visits->age_days[u].push_back(AgeDays(end, time));
    }
    last = time;
    if (event.event.type != EventType::kViewed) continue;
    const TasteVector& traits = shop.items[ItemRow(event.lines.front().item)].traits;
    for (size_t k = 0; k < kTasteFactors; ++k) sum[k] += traits[k];
    ++views;
  }
  for (size_t k = 0; k < kTasteFactors; ++k) visits->tastes[u][k] = sum[k] / (views + kViewsPrior);
}

void FillAffinity(const ContactWorld& world, const KnownVisits& visits, std::vector<KnownCustomer>* known) {
  double square = 0;
  for (size_t u = 0; u < known->size(); ++u) {
    (*known)[u].taste = visits.tastes[u];
    for (const SimulatedContent& content : world.contents) {
      double score = 0;
      for (size_t k = 0; k < kTasteFactors; ++k) score += visits.tastes[u][k] * content.item.traits[k];
      (*known)[u].affinity.push_back(static_cast<float>(score));
      square += score * score;
    }
  }
  const double deviation = std::sqrt(square / static_cast<double>(known->size() * world.contents.size()));
  for (KnownCustomer& customer : *known) {
    for (float& score : customer.affinity) score = deviation > 0 ? static_cast<float>(score / deviation) : 0;
  }
}

}  // namespace

KnownVisits ReadVisits(const SimulatedShop& shop, int threads) {
  KnownVisits visits;
  const size_t customers = shop.customers.size();
  visits.hours.resize(customers), visits.age_days.resize(customers), visits.tastes.resize(customers);
  ParallelFor(customers, kGrain, threads, [&](size_t begin, size_t end, size_t) {
    for (size_t u = begin; u < end; ++u) ReadVisitsOf(shop, u, &visits);
  });
  TasteVector mean{};
  for (const TasteVector& taste : visits.tastes) {
    for (size_t k = 0; k < kTasteFactors; ++k) mean[k] += taste[k] / static_cast<double>(customers);
  }
  for (TasteVector& taste : visits.tastes) {
    for (size_t k = 0; k < kTasteFactors; ++k) taste[k] -= mean[k];
  }
  return visits;
}

ResponseTrial TrialOf(const ContactWorld& world, const KnownCustomer& customer, const SimulatedContact& contact,
                      Timestamp time) {
  ResponseTrial trial;
  trial.content = contact.arm.content;
  trial.hour = contact.arm.hour;
  trial.channel = contact.arm.channel;
  trial.kind = static_cast<uint8_t>(world.contents[contact.arm.content].kind);
  trial.responded = contact.answered.has_value();
  trial.unsubscribed = contact.unsubscribed.has_value();
  trial.affinity = customer.affinity[contact.arm.content];
  trial.recent_sends = static_cast<float>(contact.recent_sends);
  trial.age_days = AgeDays(time, contact.time);
  return trial;
}

std::vector<KnownCustomer> KnownAt(const ContactWorld& world, const KnownVisits& visits,
                                   std::span<const ContactHistory> histories, Timestamp time, int threads) {
  std::vector<KnownCustomer> known(histories.size());
  FillAffinity(world, visits, &known);
  const float cut_days = AgeDays(world.end, time);
  ParallelFor(known.size(), kGrain, threads, [&](size_t begin, size_t end, size_t) {
    for (size_t u = begin; u < end; ++u) {
      KnownCustomer& customer = known[u];
      for (size_t visit = 0; visit < visits.hours[u].size(); ++visit) {
        if (cut_days > 0 && visits.age_days[u][visit] < cut_days) continue;
        customer.activity_hours.push_back(visits.hours[u][visit]);
        customer.activity_age_days.push_back(visits.age_days[u][visit] - cut_days);
      }
      customer.traits = {static_cast<uint32_t>(world.people[u].occupation)};
      customer.unsubscribed = histories[u].unsubscribed;
      customer.recent_sends = histories[u].recent_sends;
      for (const SimulatedContact& contact : histories[u].contacts) {
        customer.trials.push_back(TrialOf(world, customer, contact, time));
      }
    }
  });
  return known;
}

std::vector<KnownCustomer> ReadContacts(const ContactWorld& world, const SimulatedShop& shop, const KnownVisits& visits,
                                        int threads) {
  std::vector<ContactHistory> histories(shop.customers.size());
  ParallelFor(histories.size(), kGrain, threads, [&](size_t begin, size_t end, size_t) {
    for (size_t u = begin; u < end; ++u) histories[u] = SimulateContacts(world, shop, u);
  });
  return KnownAt(world, visits, histories, world.end, threads);
}

ResponseShape ShapeOf(const ContactWorld& world) {
  ResponseShape shape;
  shape.channels = kContactChannels;
  shape.kinds = kContactKinds;
  shape.traits = kOccupations;
  for (const SimulatedContent& content : world.contents) {
    shape.content_kind.push_back(static_cast<uint8_t>(content.kind));
  }
  return shape;
}

CustomerEvidence EvidenceOf(const KnownCustomer& known) {
  CustomerEvidence evidence;
  evidence.traits = known.traits;
  evidence.trials = known.trials;
  evidence.activity_hours = known.activity_hours;
  evidence.activity_age_days = known.activity_age_days;
  return evidence;
}

}  // namespace rapport
