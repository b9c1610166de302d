#include "engine/contact/batch_keeper.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <thread>

#include "base/crypto.h"
#include "base/parallel.h"
#include "base/text.h"
#include "engine/contact/kept_decision.h"
#include "engine/content/eligibility.h"

namespace rapport {
namespace {

constexpr size_t kGrain = 32;
constexpr int kFullQueueTriesMax = 200;
constexpr int kFullQueueWaitMs = 50;

// What was asked, without when.
std::string RequestDigest(const BatchRequest& request) {
  std::string text;
  const auto add = [&text](const std::string& part) {
    text += std::to_string(part.size());
    text += ':';
    text += part;
  };
  add(request.everybody ? "everybody" : "");
  for (const CustomerRef& ref : request.customers) {
    add(std::to_string(static_cast<int>(ref.name_space)) + ref.external_id);
  }
  add("items");
  for (const std::string& item : request.items) add(item);
  add("channels");
  for (const std::string& channel : request.channels) add(channel);
  add(request.purpose);
  add(request.content_model ? "" : "no content model");
  add(request.from ? std::to_string(request.from->ms) : "");
  const BatchOptions& options = request.options;
  for (const double number : {static_cast<double>(options.seed), options.temperature, options.exploration,
                              static_cast<double>(options.shortlist)}) {
    add(std::to_string(number));
  }
  const Digest256 digest = Sha256(text);
  return ToHex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

// Everybody's best hour on a channel of the model.
uint16_t UsualHour(const ResponseModel& model, size_t channel) {
  const float* row = model.channel_hour.data() + channel * kHoursOfWeek;
  return static_cast<uint16_t>(std::max_element(row, row + kHoursOfWeek) - row);
}

// One customer's draw on the way to the store.
struct Drawn {
  uint32_t customer = 0;
  DrawnArm drawn;
  std::vector<WorthArm> shortlist;  // with a chance
  std::vector<double> probabilities;
};

// What becomes of it.
struct Prepared {
  DecisionResponse decision;
  std::vector<Operation> operations;
  std::string reason;  // of nothing
  CustomerId held_root;
  bool held = false;
};

// What an earlier run under the name has left; nullopt: there was none.
Result<std::optional<BatchRecord>> ReadRecord(const Store& store, const BatchRequest& request,
                                              const BatchKeeping& keeping) {
  const std::optional<std::string> text = store.GetSetting(BatchSetting(keeping.name));
  if (!text || !keeping.knows_names) return std::optional<BatchRecord>();
  Result<BatchRecord> read = keeping.read_record(*text);
  if (!read.ok()) return read.status();
  if (read->request != RequestDigest(request)) {
    return Status::AlreadyExists("batch " + QuoteForMessage(keeping.name) +
                                 " was another request: give this one a name of its own");
  }
  return std::optional<BatchRecord>(read.Take());
}

// One batch on the way into the store. One owner, one thread.
class Keeper {
 public:
  Keeper(Store& store, ContactDesk& desk, const BatchRequest& request, const BatchKeeping& keeping)
      : store_(store), desk_(desk), request_(request), keeping_(keeping) {}

  Result<BatchRecord> Run() {
    RAPPORT_RETURN_IF_ERROR(CheckBatchName(keeping_.name));
    RAPPORT_RETURN_IF_ERROR(Begin());
    if (record_.state == BatchState::kDone) return record_;
    const Status kept = PlanAndKeep();
    if (kept.ok()) return record_;
    // A request that is wrong before anything was kept leaves no trace.
    if (record_.decided == 0 && !known_) return kept;
    record_.state = BatchState::kFailed;
    record_.problem = kept.message();
    (void)Write({});  // where even that cannot be kept, the record says that it runs, and a rerun goes on all the same
    return kept;
  }

 private:
  // The record as an earlier run left it.
  Status Begin() {
    Result<std::optional<BatchRecord>> earlier = ReadRecord(store_, request_, keeping_);
    if (!earlier.ok()) return earlier.status();
    known_ = earlier->has_value();
    if (known_) {
      record_ = std::move(**earlier);
      record_.problem.clear();
      if (record_.state == BatchState::kFailed) record_.state = BatchState::kRunning;
      return Status::Ok();
    }
    record_.name = keeping_.name;
    record_.request = RequestDigest(request_);
    record_.started_at = request_.now;
    return Status::Ok();
  }

  Status PlanAndKeep() {
    const bool dice = request_.options.temperature > 0 || request_.options.exploration > 0;
    BatchHooks hooks;
    hooks.cancelled = keeping_.cancelled;
    hooks.contents = keeping_.contents;
    if (record_.decided > 0) {
      hooks.pass_over = [this](CustomerId root) { return desk_.DecidedInBatch(keeping_.name, root); };
    }
    hooks.take_off = [this](const PlanFrame& frame, std::vector<BatchLimit>* limits) { return TakeOff(frame, limits); };
    // Every draw is the last word only with dice: without them a second turn hands out what is left (plan_draw.h).
    if (dice) hooks.drawn = [this](const BatchDecision& batch, const DrawRecord& record) { TakeDraw(batch, record); };
    Result<std::unique_ptr<BatchDecision>> decided = DecideBatch(
        store_, keeping_.settings ? keeping_.settings : desk_.settings(), desk_.responses(), request_, hooks);
    if (!decided.ok()) return decided.status();
    const BatchDecision& batch = **decided;
    SetPlan(batch);
    for (uint32_t u = 0; !dice && u < batch.roots.size() && failed_.ok(); ++u) {
      const DrawnArm& drawn = batch.plan.plan.drawn[u];
      chunk_.push_back({u, drawn, {{.arm = drawn.arm, .worth = drawn.worth}}, {drawn.propensity}});
      if (chunk_.size() == keeping_.customers_per_page) failed_ = KeepChunk(batch);
    }
    RAPPORT_RETURN_IF_ERROR(failed_);
    if (!chunk_.empty()) RAPPORT_RETURN_IF_ERROR(KeepChunk(batch));
    record_.state = BatchState::kDone;
    return Write({});
  }

  void SetPlan(const BatchDecision& batch) {
    record_.customers = batch.roots.size() + batch.passed_over;
    record_.unknown = batch.unknown.size();
    if (batch.customers == nullptr) return;
    record_.from = batch.customers->frame().from;
    record_.until = batch.customers->frame().until();
    record_.planned_value = batch.plan.plan.value;
    record_.bound = batch.plan.prices.dual_bound;
    record_.limits = batch.plan.report;
  }

  // What earlier runs of this batch have spent of its budgets and taken of its stock.
  Status TakeOff(const PlanFrame& frame, std::vector<BatchLimit>* limits) {
    for (BatchLimit& limit : *limits) {
      for (const std::string& content : limit.contents) {
        const auto sends = record_.sends_by_item.find(content);
        if (sends != record_.sends_by_item.end()) limit.taken += static_cast<double>(sends->second);
      }
      if (limit.unit != BatchLimit::Unit::kMoney) continue;
      for (const auto& [name, sends] : record_.sends_by_channel) {
        const ChannelSettings* channel = frame.settings.FindChannel(name);
        const bool meant = limit.channels.empty() ||
                           std::find(limit.channels.begin(), limit.channels.end(), name) != limit.channels.end();
        if (meant && channel != nullptr) limit.taken += channel->cost * static_cast<double>(sends);
      }
    }
    return Status::Ok();
  }

  void TakeDraw(const BatchDecision& batch, const DrawRecord& record) {
    if (!failed_.ok()) return;
    Drawn one;
    one.customer = record.customer;
    one.drawn = record.drawn;
    for (size_t j = 0; j < record.shortlist.size(); ++j) {
      if (record.probabilities[j] <= 0) continue;
      one.shortlist.push_back(record.shortlist[j]);
      one.probabilities.push_back(record.probabilities[j]);
    }
    chunk_.push_back(std::move(one));
    if (chunk_.size() == keeping_.customers_per_page) failed_ = KeepChunk(batch);
  }

  // ---- one chunk ----

  Status KeepChunk(const BatchDecision& batch) {
    if (keeping_.cancelled && keeping_.cancelled()) return Status::Unavailable("the batch was stopped");
    FindRefusedContents(batch);
    std::vector<Prepared> prepared(chunk_.size());
    std::vector<Status> failed((chunk_.size() + kGrain - 1) / kGrain);
    ParallelFor(chunk_.size(), kGrain, request_.options.threads, [&](size_t begin, size_t end, size_t block) {
      CustomerArms arms(batch.customers->shape());
      for (size_t i = begin; i < end && failed[block].ok(); ++i) {
        failed[block] = Prepare(batch, chunk_[i], &arms, &prepared[i]);
      }
    });
    Status status;
    for (const Status& one : failed) status = status.ok() ? one : status;
    if (status.ok()) status = WriteChunk(prepared);
    for (const Prepared& one : prepared) {
      if (one.held) desk_.Settle(one.held_root, one.decision.id);
    }
    chunk_.clear();
    if (status.ok() && keeping_.progress) keeping_.progress(record_);
    return status;
  }

  // Contents that have become unfit since the plan began.
  void FindRefusedContents(const BatchDecision& batch) {
    const std::shared_ptr<const Catalog> catalog = store_.catalog();
    ShowRules rules;
    rules.now = batch.customers->frame().from;
    refused_contents_.clear();
    for (const PlanContent& content : batch.customers->frame().contents) {
      const Refusal refusal = CheckEligibility(*catalog, catalog->Get(content.item), rules);
      refused_contents_.push_back(refusal != Refusal::kNone && refusal != Refusal::kOtherAudience);
    }
    catalog_ = catalog;
  }

  Status Prepare(const BatchDecision& batch, const Drawn& one, CustomerArms* arms, Prepared* out) {
    DecisionResponse& decision = out->decision;
    Describe(batch, one, &decision);
    batch.customers->Fill(one.customer, arms);
    for (size_t j = 0; j < one.shortlist.size(); ++j) {
      DecisionArm arm = ArmOf(batch, one.customer, one.shortlist[j], *arms, &decision);
      arm.propensity = one.probabilities[j];
      if (one.shortlist[j].arm == one.drawn.arm) decision.outcome.chosen = arm;
      decision.outcome.shortlist.push_back(arm);
    }
    out->reason = PlanReasonName(*batch.customers, one.customer, one.drawn);
    if (one.drawn.reason == DrawReason::kNoArm) {
      const uint32_t channel = batch.customers->frame().channels.front().settings;
      decision.outcome.removed.push_back({batch.customers->refusal(one.customer), channel, kSlots});
    }
    if (!one.drawn.arm.IsNothing()) RAPPORT_RETURN_IF_ERROR(HoldOrTakeAway(batch, one, out));
    decision.batch_reason = out->reason;
    out->operations = KeepingOperations(batch.refs[one.customer], decision, keeping_.format);
    return Status::Ok();
  }

  // The plan is some seconds old: what has become of the arm since.
  Status HoldOrTakeAway(const BatchDecision& batch, const Drawn& one, Prepared* out) {
    const PlanFrame& frame = batch.customers->frame();
    DecisionResponse& decision = out->decision;
    const PlanContent& content = frame.contents[one.drawn.arm.content];
    const uint32_t channel = decision.outcome.chosen.channel;
    ContactRefusal refusal = ContactRefusal::kContent;
    if (refused_contents_[one.drawn.arm.content] == 0) {
      const Result<ContactDesk::Held> held = desk_.Hold({.settings = *batch.settings,
                                                         .local = batch.customers->known(one.customer).local,
                                                         .batch = keeping_.name,
                                                         .root = batch.roots[one.customer],
                                                         .channel = channel,
                                                         .topic = content.topic,
                                                         .contact = PlannedContact(decision)});
      if (!held.ok()) return held.status();
      refusal = held->refusal;
      out->held = refusal == ContactRefusal::kNone;
      out->held_root = held->root;
    }
    if (out->held) return Status::Ok();
    decision.outcome.chosen = DecisionArm{};
    decision.outcome.chosen.propensity = 1;
    decision.outcome.shortlist = {decision.outcome.chosen};
    decision.outcome.removed.push_back({refusal, channel, 1});
    decision.contents.clear();
    out->reason = ContactRefusalName(refusal);
    return Status::Ok();
  }

  // All but the arms.
  void Describe(const BatchDecision& batch, const Drawn& one, DecisionResponse* decision) const {
    const PlanCustomers& customers = *batch.customers;
    const PlanCustomers::Known known = customers.known(one.customer);
    decision->customer = batch.roots[one.customer];
    decision->id = desk_.BatchDecisionId(keeping_.name, decision->customer);
    decision->time = request_.now;
    decision->from = customers.frame().from;
    decision->until = customers.frame().until();
    decision->purpose = request_.purpose;
    decision->seed = request_.options.seed;
    decision->response_generation = batch.responses->generation;
    decision->content_generation = keeping_.content_generation;
    decision->settings = batch.settings;
    decision->settings_version = desk_.settings_version();
    decision->personal = known.personal;
    decision->zone = {known.zone, known.zone_source};
    decision->contacts_known = known.contacts_known;
    decision->batch = keeping_.name;
    decision->batch_draw = DrawNumber(request_.options.seed, one.customer);
    const Arm arm = one.drawn.arm;
    if (arm.IsNothing()) return;
    const PlanFrame& frame = customers.frame();
    decision->zone_offset_ms = known.local.OffsetMs(customers.TimeOf(one.customer, arm));
    decision->own_hour = customers.own_slot(one.customer, arm.slot);
    decision->own_kind = customers.own_kind(one.customer, frame.contents[arm.content].kind);
    decision->usual_hour = UsualHour(frame.model, frame.channels[arm.channel].model);
  }

  DecisionArm ArmOf(const BatchDecision& batch, uint32_t customer, const WorthArm& worth, const CustomerArms& arms,
                    DecisionResponse* decision) const {
    DecisionArm out;
    if (worth.arm.IsNothing()) return out;
    const PlanCustomers& customers = *batch.customers;
    const PlanFrame& frame = customers.frame();
    const PlanContent& content = frame.contents[worth.arm.content];
    out.content = ContentIndex(content, customers.affinity(customer, worth.arm.content), decision);
    out.channel = frame.channels[worth.arm.channel].settings;
    out.at = customers.TimeOf(customer, worth.arm);
    out.hour = static_cast<uint16_t>(customers.known(customer).local.HourOfWeekAt(out.at));
    out.probability = ProbabilityOf(customers.shape(), arms, worth.arm);
    out.cost = frame.settings.channels[out.channel].cost;
    out.margin = content.margin;
    out.value = ValueOf(customers.shape(), arms, worth.arm);
    const double risk = arms.cost[worth.arm.channel] - out.cost, lifetime = frame.settings.limits.lifetime_value;
    out.unsubscribe = lifetime > 0 ? std::max(0.0, risk / lifetime) : 0;
    out.limits_price = out.value - static_cast<double>(worth.worth);
    return out;
  }

  uint32_t ContentIndex(const PlanContent& content, float affinity, DecisionResponse* decision) const {
    std::vector<DecisionContent>& contents = decision->contents;
    for (uint32_t i = 0; i < contents.size(); ++i) {
      if (contents[i].item == content.item) return i;
    }
    DecisionContent added;
    added.item = content.item;
    added.external_id = content.name;
    added.affinity = affinity;
    added.level = decision->content_generation > 0 ? Level::kPersonal : Level::kPopular;
    if (const Item* item = catalog_->Get(content.item)) {
      added.title = item->title;
      added.kind = item->kind;
      added.language = item->language;
    }
    contents.push_back(std::move(added));
    return static_cast<uint32_t>(contents.size() - 1);
  }

  // Decisions, planned contacts, the page and the record: all of it on the disk, or nothing.
  Status WriteChunk(std::vector<Prepared>& prepared) {
    const BatchRecord before = record_;
    std::vector<Operation> operations;
    std::string page;
    for (Prepared& one : prepared) {
      const DecisionResponse& decision = one.decision;
      ++record_.decided;
      page += decision.id + "\n";
      if (decision.outcome.chosen.content == kNothing) {
        ++record_.nothing[one.reason];
      } else {
        ++record_.sends;
        ++record_.sends_by_channel[decision.settings->channels[decision.outcome.chosen.channel].name];
        ++record_.sends_by_item[decision.contents[decision.outcome.chosen.content].external_id];
        record_.value += decision.outcome.chosen.value;
      }
      std::move(one.operations.begin(), one.operations.end(), std::back_inserter(operations));
    }
    operations.push_back(PutSetting{BatchPageSetting(record_.name, record_.pages), std::move(page)});
    ++record_.pages;
    const Status written = Write(std::move(operations));
    if (!written.ok()) record_ = before;
    return written;
  }

  // With the record, in one write.
  Status Write(std::vector<Operation> operations) {
    record_.changed_at = request_.now;
    operations.push_back(PutSetting{BatchSetting(record_.name), keeping_.write_record(record_)});
    OperationSink& sink = keeping_.sink != nullptr ? *keeping_.sink : store_;
    for (int tried = 1;; ++tried) {
      const Result<std::vector<OperationResult>> results = sink.ApplyAndWait(operations);
      const bool full = !results.ok() && results.status().code() == StatusCode::kResourceExhausted;
      if (full && tried < kFullQueueTriesMax && store_.Health().ok()) {
        std::this_thread::sleep_for(std::chrono::milliseconds(kFullQueueWaitMs));
        continue;
      }
      if (!results.ok()) return results.status();
      for (const OperationResult& result : *results) RAPPORT_RETURN_IF_ERROR(result.status);
      return Status::Ok();
    }
  }

  Store& store_;
  ContactDesk& desk_;
  const BatchRequest& request_;
  const BatchKeeping& keeping_;
  BatchRecord record_;
  bool known_ = false;  // an earlier run has left a record
  Status failed_;
  std::vector<Drawn> chunk_;
  std::vector<uint8_t> refused_contents_;
  std::shared_ptr<const Catalog> catalog_;
};

}  // namespace

Status CheckBatchName(const std::string& name) {
  const bool good = !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  });
  if (good) return Status::Ok();
  return Status::InvalidArgument("a batch's name is 1 to 64 letters, digits, '.', '_' and '-', like may-offers");
}

Status CheckBatch(const Store& store, const ContactDesk& desk, const BatchRequest& request,
                  const BatchKeeping& keeping) {
  RAPPORT_RETURN_IF_ERROR(CheckBatchName(keeping.name));
  RAPPORT_RETURN_IF_ERROR(ReadRecord(store, request, keeping).status());
  return CheckBatchRequest(store, keeping.settings ? keeping.settings : desk.settings(), desk.responses(), request);
}

Result<BatchRecord> KeepBatch(Store& store, ContactDesk& desk, const BatchRequest& request,
                              const BatchKeeping& keeping) {
  return Keeper(store, desk, request, keeping).Run();
}

}  // namespace rapport
