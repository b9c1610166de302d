#include "engine/learning/contact_logging.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "base/parallel.h"
#include "engine/contact/decider.h"

namespace rapport {
namespace {

constexpr size_t kGrain = 16;

// What the world allows, as settings of the product: no caps, no consents; the sending window as quiet hours.
ContactSettings SettingsOf(const ContactWorld& world) {
  const SimulatedContactOptions& options = world.options;
  ContactSettings settings;
  settings.channels.clear();
  for (size_t c = 0; c < kContactChannels; ++c) {
    ChannelSettings channel;
    channel.name = kContactChannelNames[c];
    channel.cost = options.send_cost[c];
    channel.consent_required = false;
    settings.channels.push_back(channel);
  }
  settings.limits.caps.clear();
  settings.limits.quiet = {{.days = 0x7f, .from_minute = 22 * 60, .until_minute = 7 * 60}};
  settings.limits.lifetime_value = options.lifetime_value;
  settings.limits.temperature = options.spending.temperature;
  settings.limits.exploration = options.spending.exploration;
  return settings;
}

std::vector<ContentChoice> ContentsOf(const ContactWorld& world) {
  std::vector<ContentChoice> contents;
  for (uint32_t i = 0; i < world.contents.size(); ++i) {
    ContentChoice choice;
    choice.row = i;
    choice.kind = static_cast<uint8_t>(world.contents[i].kind);
    choice.margin = world.options.margin;
    contents.push_back(choice);
  }
  return contents;
}

// Decides with one model for customers as they were known at `known_at`. Const after construction: any thread.
class Spender {
 public:
  Spender(const ContactWorld& world, const ResponseModel& model, const std::vector<KnownCustomer>& known,
          Timestamp known_at)
      : world_(world),
        model_(model),
        known_(known),
        known_at_(known_at),
        settings_(SettingsOf(world)),
        contents_(ContentsOf(world)) {}

  std::vector<ContactChoice> Choose(const ContactQuestion& question, const ContactHistory& before,
                                    const LocalTime& local) const {
    const KnownCustomer& known = known_[question.customer];
    const CustomerResponse response = FoldIn(known, before, question.from);
    const ContactCustomer nobody{};
    DecisionInput input{.settings = settings_,
                        .customer = nobody,
                        .local = local,
                        .contents = contents_,
                        .channels = {},
                        .model_channel = {},
                        .model_place = {},
                        .place_times = {},
                        .from = question.from,
                        .until = question.until,
                        .model = model_,
                        .response = response,
                        .near = {},
                        .full_hours = {},
                        .full_place_hours = {}};
    for (uint32_t c = 0; c < kContactChannels; ++c) {
      input.model_channel.push_back(static_cast<int>(c));
      if (!question.unsubscribed[c]) input.channels.push_back(c);
    }
    for (size_t i = 0; i < input.contents.size(); ++i) input.contents[i].affinity = known.affinity[i];
    input.recent_sends = static_cast<float>(question.recent_sends);
    const std::vector<DecisionArm> shortlist = Decide(input).shortlist;
    std::vector<ContactChoice> choices;
    for (const uint64_t seed : question.seeds) {
      const DecisionArm chosen = DrawArm(shortlist, seed);
      if (chosen.content == kNothing) continue;
      const ContactArm arm{static_cast<uint16_t>(chosen.content), chosen.hour, static_cast<uint8_t>(chosen.channel)};
      choices.push_back({arm, chosen.at, chosen.propensity});
    }
    return choices;
  }

 private:
  CustomerResponse FoldIn(const KnownCustomer& known, const ContactHistory& before, Timestamp now) const {
    std::vector<ResponseTrial> trials;
    for (const SimulatedContact& contact : before.contacts) trials.push_back(TrialOf(world_, known, contact, now));
    std::vector<float> ages = known.activity_age_days;
    for (float& age : ages) age += static_cast<float>(static_cast<double>(now.ms - known_at_.ms) / kDayMs);
    CustomerEvidence evidence = EvidenceOf(known);
    evidence.trials = trials;
    evidence.activity_age_days = ages;
    return model_.FoldIn(evidence);
  }

  const ContactWorld& world_;
  const ResponseModel& model_;
  const std::vector<KnownCustomer>& known_;
  const Timestamp known_at_;
  const ContactSettings settings_;
  const std::vector<ContentChoice> contents_;
};

// One world's contacts, round after round. One owner; its loops over customers write to rows of their own.
class Logging {
 public:
  Logging(const ContactWorld& world, const SimulatedShop& shop, const KnownVisits& visits,
          const ResponseOptions& response, int threads)
      : world_(world), shop_(shop), visits_(visits), response_(response), threads_(threads) {
    histories_.resize(shop.customers.size());
  }

  Result<std::vector<ContactHistory>> Run() {
    const ModelSpending& spending = world_.options.spending;
    const size_t weeks = ContactWeeks(shop_), uniform = std::min(spending.uniform_weeks, weeks);
    RAPPORT_RETURN_IF_ERROR(ReadZones());
    Continue(0, uniform, nullptr);
    for (size_t round = 0; round < spending.rounds; ++round) {
      const size_t first = uniform + (weeks - uniform) * round / spending.rounds;
      const size_t end = uniform + (weeks - uniform) * (round + 1) / spending.rounds;
      if (first < end) RAPPORT_RETURN_IF_ERROR(Spend(first, end));
    }
    for (ContactHistory& history : histories_) {
      if (history.contacts.empty()) continue;
      const double days = static_cast<double>(world_.end.ms - history.contacts.back().time.ms) / kDayMs;
      history.recent_sends *= std::exp2(-days / kRecentHalfLifeDays);
    }
    return std::move(histories_);
  }

 private:
  Status ReadZones() {
    ZoneBook book;
    for (const SimulatedCustomer& customer : shop_.customers) {
      Result<LocalTime> local =
          book.Read(customer.profile.time_zone, Timestamp{world_.start.ms - Feasibility::kCalendarMs}, world_.end);
      if (!local.ok()) return local.status();
      local_.push_back(local.Take());
    }
    return Status::Ok();
  }

  Status Spend(size_t first_week, size_t end_week) {
    const Timestamp now = ContactWeekStart(world_, first_week);
    const std::vector<KnownCustomer> known = KnownAt(world_, visits_, histories_, now, threads_);
    std::vector<CustomerEvidence> evidence;
    bool any = false;
    for (const KnownCustomer& customer : known) {
      evidence.push_back(EvidenceOf(customer));
      any |= !customer.trials.empty();
    }
    if (!any) {
      Continue(first_week, end_week, nullptr);
      return Status::Ok();
    }
    ResponseOptions options = response_;
    options.threads = threads_;
    const Result<ResponseModel> model = FitResponse(ShapeOf(world_), evidence, options);
    if (!model.ok()) return model.status();
    const Spender spender(world_, *model, known, now);
    Continue(first_week, end_week, &spender);
    return Status::Ok();
  }

  void Continue(size_t first_week, size_t end_week, const Spender* spender) {
    ParallelFor(histories_.size(), kGrain, threads_, [&](size_t begin, size_t end, size_t) {
      for (size_t u = begin; u < end; ++u) {
        ContactChooser chooser;
        if (spender != nullptr) {
          chooser = [&, u](const ContactQuestion& question, const ContactHistory& before) {
            return spender->Choose(question, before, local_[u]);
          };
        }
        ContinueContacts(world_, shop_, u, first_week, end_week, chooser, &histories_[u]);
      }
    });
  }

  const ContactWorld& world_;
  const SimulatedShop& shop_;
  const KnownVisits& visits_;
  const ResponseOptions& response_;
  const int threads_;
  std::vector<LocalTime> local_;
  std::vector<ContactHistory> histories_;
};

Status CheckSpending(const ModelSpending& spending) {
  if (spending.uniform_weeks < 1 || spending.rounds < 1) {
    return Status::InvalidArgument("a model that spends contacts needs at least 1 week of uniform draws and 1 round");
  }
  if (!(spending.temperature >= 0) || !(spending.exploration > 0 && spending.exploration <= 1)) {
    return Status::InvalidArgument(
        "a model that spends contacts needs a temperature of 0 or more and an exploration "
        "above 0, up to 1");
  }
  return Status::Ok();
}

}  // namespace

Result<std::vector<ContactHistory>> LogContacts(const ContactWorld& world, const SimulatedShop& shop,
                                                const KnownVisits& visits, const ResponseOptions& response,
                                                int threads) {
  if (world.options.policy == ContactPolicy::kModel) {
    RAPPORT_RETURN_IF_ERROR(CheckSpending(world.options.spending));
    return Logging(world, shop, visits, response, threads).Run();
  }
  std::vector<ContactHistory> histories(shop.customers.size());
  ParallelFor(histories.size(), kGrain, threads, [&](size_t begin, size_t end, size_t) {
    for (size_t u = begin; u < end; ++u) histories[u] = SimulateContacts(world, shop, u);
  });
  return histories;
}

}  // namespace rapport
