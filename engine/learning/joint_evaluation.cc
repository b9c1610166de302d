#include "engine/learning/joint_evaluation.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <optional>

#include "base/parallel.h"
#include "base/random.h"
#include "engine/learning/contact_logging.h"
#include "engine/learning/joint_policies.h"

namespace rapport {
namespace {

constexpr size_t kGrain = 16;
constexpr int kResamples = 1000;
constexpr double kNotAnArm = -1;  // in a table of responses

// One judged customer: what each policy's choice is truly worth, and costs.
struct Judged {
  size_t stratum = 0, world = 0;
  std::array<double, kJointPolicies> value{}, cost{};
};

size_t At(JointPolicy policy) { return static_cast<size_t>(policy); }
bool IsPart(JointPolicy policy) { return policy > JointPolicy::kOracle; }

// Responses of all arms from their logits.
void ToResponses(std::vector<double>& logits) {
  for (double& value : logits) value = std::isfinite(value) ? Sigmoid(value) : kNotAnArm;
}

// The table of all arms as the learned model sees it, logits: the additive parts once, then a sum per arm.
void LearnedLogits(const ResponseModel& model, const ContactWorld& world, const CustomerResponse& customer,
                   const std::vector<float>& affinity, double recent_sends, std::vector<double>* logits) {
  ResponseTable table;
  model.FillTable(customer, table);
  logits->assign(world.contents.size() * kHoursOfWeek * kContactChannels, -std::numeric_limits<double>::infinity());
  std::array<double, kContactChannels> fatigue{};
  for (uint8_t c = 0; c < kContactChannels; ++c) fatigue[c] = model.Fatigue(c, static_cast<float>(recent_sends));
  for (uint32_t i = 0; i < world.contents.size(); ++i) {
    const auto kind = static_cast<uint8_t>(world.contents[i].kind);
    for (uint8_t c = 0; c < kContactChannels; ++c) {
      const double fixed = model.ContentChannel(i, kind, c) + table.place[0] + fatigue[c] +
                           (affinity.empty() ? 0 : model.affinity * affinity[i]);
      for (size_t h = 0; h < kHoursOfWeek; ++h) {
        if (!InSendingWindow(h)) continue;
        const double logit =
            fixed + table.hour_channel[c * kHoursOfWeek + h] + table.kind_hour[kind * kHoursOfWeek + h] +
            (table.together.empty() ? 0.0f : table.together[model.TogetherAt(c, kind, static_cast<uint16_t>(h))]);
        (*logits)[ArmIndex(i, h, c)] = logit;
      }
    }
  }
}

// What of a table the means over each one of its axes do not explain (the means over two are 0 by construction).
InteractionTable ThreeWay(const InteractionTable& table) {
  InteractionTable rest = table;
  const std::array<size_t, 3> sizes{kContactKinds, kPartsOfWeek, kContactChannels};
  const auto cell = [](const std::array<size_t, 3>& at) { return InteractionCell(at[0], at[1], at[2]); };
  for (size_t axis = 0; axis < 3; ++axis) {
    const size_t other = (axis + 1) % 3, third = (axis + 2) % 3;
    for (size_t j = 0; j < sizes[other]; ++j) {
      for (size_t k = 0; k < sizes[third]; ++k) {
        std::array<size_t, 3> at{};
        at[other] = j, at[third] = k;
        double mean = 0;
        for (at[axis] = 0; at[axis] < sizes[axis]; ++at[axis]) mean += table[cell(at)];
        mean /= static_cast<double>(sizes[axis]);
        for (at[axis] = 0; at[axis] < sizes[axis]; ++at[axis]) rest[cell(at)] -= mean;
      }
    }
  }
  return rest;
}

// Slope and remaining deviation of the true taste, given what the visits say, over all customers: for the observer.
struct TasteGivenVisits {
  double slope = 0, deviation = 1;
};
TasteGivenVisits RegressTaste(const SimulatedShop& shop, const std::vector<KnownCustomer>& known) {
  double product = 0, square = 0, true_square = 0, count = 0;
  for (size_t u = 0; u < known.size(); ++u) {
    for (size_t k = 0; k < kTasteFactors; ++k) {
      const double said = known[u].taste[k], is = shop.customers[u].taste[k];
      product += said * is, square += said * said, true_square += is * is, ++count;
    }
  }
  TasteGivenVisits made;
  made.slope = square > 0 ? product / square : 0;
  made.deviation = std::sqrt(std::max(0.01, (true_square - made.slope * product) / count));
  return made;
}

// One world at one place of the dial: every policy's offers, then their money, then the truth. One owner; its loops
// over customers write to rows of their own.
class WorldJudge {
 public:
  WorldJudge(const JointOptions& options, const SimulatedShop& shop, const ContactWorld& world,
             std::vector<KnownCustomer> known)
      : options_(options), shop_(shop), world_(world), known_(std::move(known)) {}

  Status Run(size_t world_number, std::vector<Judged>* judged) {
    Result<ShrunkenRates> rates = ShrunkenRates::Fit(world_, known_);
    if (!rates.ok()) return rates.status();
    if (options_.learned) RAPPORT_RETURN_IF_ERROR(FitModel());
    taste_ = RegressTaste(shop_, known_);
    if (options_.parts && model_) ReadTruth();
    for (auto& offers : offers_) offers.resize(known_.size());
    ParallelFor(known_.size(), kGrain, options_.threads, [&](size_t begin, size_t end, size_t) {
      for (size_t u = begin; u < end; ++u) {
        OfferSimple(*rates, u);
        OfferKnowing(u, rates->leave());
        if (model_) OfferLearned(u);
        if (model_ && options_.parts) OfferParts(u);
      }
    });
    for (size_t stratum = 0; stratum < options_.contacts.size(); ++stratum) Judge(world_number, stratum, judged);
    return Status::Ok();
  }

 private:
  Offers& Of(JointPolicy policy, size_t u) { return offers_[At(policy)][u]; }
  const SimulatedContactOptions& money() const { return world_.options; }

  Status FitModel() {
    std::vector<CustomerEvidence> evidence;
    for (const KnownCustomer& customer : known_) evidence.push_back(EvidenceOf(customer));
    ResponseOptions response = options_.response;
    response.threads = options_.threads;
    Result<ResponseModel> fit = FitResponse(ShapeOf(world_), evidence, response);
    if (!fit.ok()) return fit.status();
    model_ = fit.Take();
    return Status::Ok();
  }

  void OfferSimple(const ShrunkenRates& rates, size_t u) {
    Of(JointPolicy::kSeparateRates, u) = rates.Separate(money(), known_[u]);
    Of(JointPolicy::kMautic, u) = rates.Mautic(money(), known_[u]);
    Of(JointPolicy::kMostEngaged, u) = rates.MostEngaged(money(), known_[u]);
  }

  void OfferKnowing(size_t u, const ChannelRates& leave) {
    const ContactPerson& person = world_.people[u];
    const double tired = person.fatigue * known_[u].recent_sends;
    ChannelRates truly_leave{};
    for (size_t c = 0; c < kContactChannels; ++c) {
      truly_leave[c] = TrueUnsubscribe(world_, person, c, known_[u].recent_sends);
    }
    std::vector<double> responses = ArmLogits(world_, person.At(world_.end), tired);
    ToResponses(responses);
    Of(JointPolicy::kOracle, u) = JointOffers(money(), responses, truly_leave);
    Of(JointPolicy::kSeparateOracle, u) = SeparateOffers(money(), responses, truly_leave);
    const PersonVector seen = ObservedVector(world_, shop_, u, known_[u], taste_.slope, taste_.deviation);
    responses = ArmLogits(world_, seen, tired);
    ToResponses(responses);
    Of(JointPolicy::kObserver, u) = JointOffers(money(), responses, leave);
  }

  void OfferLearned(size_t u) {
    const KnownCustomer& customer = known_[u];
    ChannelRates leave{};
    for (uint8_t c = 0; c < kContactChannels; ++c) {
      leave[c] = model_->UnsubscribeProbability(c, static_cast<float>(customer.recent_sends));
    }
    std::vector<double> responses;
    LearnedLogits(*model_, world_, model_->FoldIn(EvidenceOf(customer)), customer.affinity, customer.recent_sends,
                  &responses);
    ToResponses(responses);
    Of(JointPolicy::kJoint, u) = JointOffers(money(), responses, leave);
    Of(JointPolicy::kSeparateModel, u) = SeparateOffers(money(), responses, leave);
    LearnedLogits(*model_, world_, model_->FoldIn({}), {}, customer.recent_sends, &responses);
    ToResponses(responses);
    Of(JointPolicy::kGlobal, u) = JointOffers(money(), responses, leave);
  }

  // Everybody's true part, and what of it is interaction of three.
  void ReadTruth() {
    shared_ = ArmLogits(world_, PersonVector{}, 0);
    ContactWorld plain = world_, three = world_;
    plain.population.fill(0);
    three.population = ThreeWay(world_.population);
    const std::vector<double> without = ArmLogits(plain, PersonVector{}, 0);
    three_way_ = ArmLogits(three, PersonVector{}, 0);
    for (size_t arm = 0; arm < three_way_.size(); ++arm) three_way_[arm] -= without[arm];
  }

  struct Cell {
    uint8_t channel = 0, kind = 0;
    uint16_t hour = 0;
  };
  Cell CellOf(size_t arm) const {
    const size_t row = arm / kContactChannels;
    return {static_cast<uint8_t>(arm % kContactChannels),
            static_cast<uint8_t>(world_.contents[row / kHoursOfWeek].kind), static_cast<uint16_t>(row % kHoursOfWeek)};
  }

  // The learned table with one part after the other in place of the truth.
  void OfferParts(size_t u) {
    const KnownCustomer& customer = known_[u];
    const ContactPerson& person = world_.people[u];
    ChannelRates leave{}, truly_leave{};
    for (uint8_t c = 0; c < kContactChannels; ++c) {
      leave[c] = model_->UnsubscribeProbability(c, static_cast<float>(customer.recent_sends));
      truly_leave[c] = TrueUnsubscribe(world_, person, c, customer.recent_sends);
    }
    std::vector<double> all, shared, rested;
    const CustomerResponse known = model_->FoldIn(EvidenceOf(customer));
    LearnedLogits(*model_, world_, known, customer.affinity, customer.recent_sends, &all);
    LearnedLogits(*model_, world_, model_->FoldIn({}), {}, customer.recent_sends, &shared);
    LearnedLogits(*model_, world_, model_->FoldIn({}), {}, 0, &rested);
    PersonVector situation{};
    std::copy(person.At(world_.end).begin() + kSituationAt, person.At(world_.end).end(),
              situation.begin() + kSituationAt);
    const std::vector<double> own = ArmLogits(world_, person.At(world_.end), 0);
    const std::vector<double> of_situation = ArmLogits(world_, situation, 0);
    const double tired = person.fatigue * customer.recent_sends;
    const auto offer = [&](JointPolicy policy, const ChannelRates& rates, const auto& logit_of) {
      std::vector<double> responses(all.size(), kNotAnArm);
      for (size_t arm = 0; arm < all.size(); ++arm) {
        if (std::isfinite(all[arm])) responses[arm] = Sigmoid(logit_of(arm));
      }
      Of(policy, u) = JointOffers(money(), responses, rates);
    };
    offer(JointPolicy::kTrueLeaving, truly_leave, [&](size_t a) { return all[a] - shared[a] + rested[a] - tired; });
    offer(JointPolicy::kTrueShared, leave, [&](size_t a) { return all[a] - rested[a] + shared_[a]; });
    offer(JointPolicy::kTrueOwn, leave, [&](size_t a) { return shared[a] + own[a] - shared_[a]; });
    const auto three = [&](size_t a) {
      const Cell at = CellOf(a);
      return three_way_[a] - model_->ThreeWay(at.channel, at.kind, at.hour);
    };
    const auto situated = [&](size_t a) {
      const Cell at = CellOf(a);
      return of_situation[a] - shared_[a] -
             model_->OwnTogether(std::span<const float>(known.together), at.channel, at.kind, at.hour);
    };
    offer(JointPolicy::kTrueThreeWay, leave, [&](size_t a) { return all[a] + three(a); });
    offer(JointPolicy::kTrueSituation, leave, [&](size_t a) { return all[a] + situated(a); });
    offer(JointPolicy::kTrueInteractions, leave, [&](size_t a) { return all[a] + three(a) + situated(a); });
  }

  double TrueValue(size_t u, const ContactArm& arm) const {
    const ContactPerson& person = world_.people[u];
    const double recent = known_[u].recent_sends;
    return money().margin * TrueResponse(world_, person, arm, recent, world_.end) - money().send_cost[arm.channel] -
           money().lifetime_value * TrueUnsubscribe(world_, person, arm.channel, recent);
  }

  void Judge(size_t world_number, size_t stratum, std::vector<Judged>* judged) {
    std::vector<size_t> members;
    std::vector<std::array<bool, kContactChannels>> allowed;
    for (size_t u = stratum; u < known_.size(); u += options_.contacts.size()) {
      std::array<bool, kContactChannels> open{};
      for (size_t c = 0; c < kContactChannels; ++c) open[c] = !known_[u].unsubscribed[c];
      if (std::none_of(open.begin(), open.end(), [](bool one) { return one; })) continue;
      members.push_back(u);
      allowed.push_back(open);
    }
    const size_t first = judged->size();
    judged->resize(first + members.size());
    for (size_t p = 0; p < kJointPolicies; ++p) {
      if (IsPart(static_cast<JointPolicy>(p)) && !options_.parts) continue;
      std::vector<Offers> offers;
      for (const size_t u : members) offers.push_back(offers_[p][u]);
      const std::vector<size_t> channels = AssignChannels(
          offers, allowed, money().send_cost, options_.budget_per_send * static_cast<double>(members.size()));
      for (size_t row = 0; row < members.size(); ++row) {
        Judged& one = (*judged)[first + row];
        one.stratum = stratum, one.world = world_number;
        one.value[p] = TrueValue(members[row], offers[row][channels[row]].arm);
        one.cost[p] = money().send_cost[channels[row]];
      }
    }
  }

  const JointOptions& options_;
  const SimulatedShop& shop_;
  const ContactWorld& world_;
  const std::vector<KnownCustomer> known_;
  std::optional<ResponseModel> model_;
  TasteGivenVisits taste_;
  std::vector<double> shared_, three_way_;  // true logits by arm, for parts
  std::array<std::vector<Offers>, kJointPolicies> offers_;
};

// Of sum(a) / sum(b), customers drawn together.
Interval BootstrapRatio(const std::vector<double>& a, const std::vector<double>& b, uint64_t seed) {
  const auto ratio = [](double above, double below) { return below != 0 ? above / below : 0; };
  double above = 0, below = 0;
  for (size_t k = 0; k < a.size(); ++k) above += a[k], below += b[k];
  Interval interval{ratio(above, below), 0, 0};
  std::vector<double> drawn(kResamples);
  Random random(seed);
  for (double& one : drawn) {
    above = below = 0;
    for (size_t k = 0; k < a.size(); ++k) {
      const size_t at = random.Below(a.size());
      above += a[at], below += b[at];
    }
    one = ratio(above, below);
  }
  std::sort(drawn.begin(), drawn.end());
  interval.lower = drawn[kResamples * 25 / 1000];
  interval.upper = drawn[kResamples * 975 / 1000 - 1];
  return interval;
}

JointRow MakeRow(const JointOptions& options, const std::vector<Judged>& judged, JointPolicy policy) {
  JointRow row;
  row.policy = policy;
  row.sends = judged.size();
  const size_t reference = At(options.learned ? JointPolicy::kJoint : JointPolicy::kOracle);
  std::vector<double> value, joint, oracle;
  std::vector<std::array<double, 2>> by_world(options.worlds.size());
  for (const Judged& one : judged) {
    value.push_back(one.value[At(policy)]);
    joint.push_back(one.value[reference]);
    oracle.push_back(one.value[At(JointPolicy::kOracle)]);
    row.spent_per_send += one.cost[At(policy)] / static_cast<double>(judged.size());
    by_world[one.world][0] += joint.back(), by_world[one.world][1] += value.back();
  }
  row.value = BootstrapMean(value, options.seed, kResamples);
  row.share_of_oracle = BootstrapRatio(value, oracle, options.seed);
  row.gain_of_joint = BootstrapRatio(joint, value, options.seed);
  for (double* bound : {&row.gain_of_joint.mean, &row.gain_of_joint.lower, &row.gain_of_joint.upper}) *bound -= 1;
  row.worst_world_gain = 1e300;
  for (const auto& [of_joint, of_policy] : by_world) {
    if (of_policy != 0) row.worst_world_gain = std::min(row.worst_world_gain, of_joint / of_policy - 1);
  }
  return row;
}

bool NeedsFit(JointPolicy policy) {
  return policy == JointPolicy::kJoint || policy == JointPolicy::kSeparateModel || policy == JointPolicy::kGlobal ||
         IsPart(policy);
}

void AddRows(const JointOptions& options, double dial, const std::vector<Judged>& judged, JointReport* report) {
  for (int64_t stratum = -1; stratum < static_cast<int64_t>(options.contacts.size()); ++stratum) {
    std::vector<Judged> members;
    for (const Judged& one : judged) {
      if (stratum < 0 || one.stratum == static_cast<size_t>(stratum)) members.push_back(one);
    }
    if (members.empty()) continue;
    for (size_t p = 0; p < kJointPolicies; ++p) {
      const auto policy = static_cast<JointPolicy>(p);
      if (!options.learned && NeedsFit(policy)) continue;
      if (!options.parts && IsPart(policy)) continue;
      JointRow row = MakeRow(options, members, policy);
      row.dial = dial;
      row.contacts = stratum < 0 ? -1 : static_cast<int64_t>(options.contacts[static_cast<size_t>(stratum)]);
      report->rows.push_back(row);
    }
  }
}

}  // namespace

const char* JointPolicyName(JointPolicy policy) {
  constexpr const char* kNames[kJointPolicies] = {"joint, learned",
                                                  "separate, same model",
                                                  "separate, shrunken rates",
                                                  "Mautic's rule",
                                                  "most engaged channel",
                                                  "global, learned",
                                                  "observer who knows the population",
                                                  "separate, true probabilities",
                                                  "oracle",
                                                  "learned, true fatigue and leaving",
                                                  "learned, true everybody's part",
                                                  "learned, true own part",
                                                  "learned + everybody's interaction of three",
                                                  "learned + own interactions",
                                                  "learned + both interactions"};
  return kNames[At(policy)];
}

Result<JointReport> EvaluateJoint(const JointOptions& options) {
  if (options.dials.empty() || options.worlds.empty() || options.contacts.empty()) {
    return Status::InvalidArgument("name at least one place of the dial, one world and one number of contacts");
  }
  JointReport report;
  report.options = options;
  std::vector<std::vector<Judged>> judged(options.dials.size());
  for (size_t number = 0; number < options.worlds.size(); ++number) {
    SimulatedShopOptions shop_options;
    shop_options.customers = options.customers;
    shop_options.items = options.items;
    shop_options.seed = options.worlds[number];
    Result<SimulatedShop> shop = MakeSimulatedShop(shop_options);
    if (!shop.ok()) return shop.status();
    std::optional<KnownVisits> visits;  // the same wherever the dial stands
    for (size_t d = 0; d < options.dials.size(); ++d) {
      SimulatedContactOptions contacts;
      contacts.dial = options.dials[d];
      contacts.contacts = options.contacts;
      contacts.policy = options.logging;
      contacts.spending = options.spending;
      const Result<ContactWorld> world = MakeContactWorld(contacts, &*shop);
      if (!world.ok()) return world.status();
      if (!visits) visits = ReadVisits(*shop, options.threads);
      const auto histories = LogContacts(*world, *shop, *visits, options.response, options.threads);
      if (!histories.ok()) return histories.status();
      WorldJudge judge(options, *shop, *world, KnownAt(*world, *visits, *histories, world->end, options.threads));
      RAPPORT_RETURN_IF_ERROR(judge.Run(number, &judged[d]));
    }
  }
  for (size_t d = 0; d < options.dials.size(); ++d) AddRows(options, options.dials[d], judged[d], &report);
  return report;
}

}  // namespace rapport
