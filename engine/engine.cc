#include "engine/engine.h"

#include <atomic>
#include <filesystem>
#include <mutex>
#include <unordered_map>

#include "base/file.h"
#include "engine/contact/contact_desk.h"
#include "engine/content/recommender.h"
#include "engine/customer_view.h"

namespace rapport {

struct Engine::Impl {
  Impl(Store& opened_store, EngineOptions given) : store(opened_store), options(std::move(given)) {}

  // Constant after Open.
  Store& store;
  const EngineOptions options;
  std::unique_ptr<Recommender> recommender;
  std::string startup_note;

  // Each guards itself.
  std::unique_ptr<CustomerViews> views;
  std::shared_ptr<ContactDesk> desk;
  ModelPublisher publisher;
  std::atomic<bool> training{false}, batch{false};
  std::mutex activation;  // one change of the model in service at a time

  Result<RecommendContext> Context(const std::optional<CustomerRef>& customer) const {
    RecommendContext context;
    context.catalog = store.catalog();
    context.models = publisher.Get();
    if (!customer) {
      context.customer = std::make_shared<const CustomerView>();
      return context;
    }
    auto view = views->Get(*customer);
    if (!view.ok()) return view.status();
    context.customer = *view;
    return context;
  }

  // A content's place in the customer's order only counts where the response model has learned that it does.
  bool HeedsContent(const BatchRequest& request) const {
    return request.content_model && publisher.Get()->content != nullptr && desk->responses()->model->affinity != 0;
  }

  // Each customer's order of the contents, as a single decision asks for it, on one catalogue and one model.
  decltype(BatchHooks::contents) ContentsOf(const BatchRequest& request) const {
    RankRequest asked;
    asked.question.now = request.now;
    asked.items = request.items;
    return
        [this, asked, catalog = store.catalog(), model_set = publisher.Get()](
            CustomerId root, const PlanFrame& frame, std::span<float> affinity, std::span<uint8_t> refused) -> Status {
          auto view = views->Load(root);
          if (!view.ok()) return view.status();
          RecommendContext context;
          context.catalog = catalog;
          context.models = model_set;
          context.customer = *view;
          const Result<RankResponse> ranked = recommender->Rank(context, asked);
          if (!ranked.ok()) return ranked.status();
          std::unordered_map<uint64_t, size_t> places;
          const std::vector<RecommendedItem>& items = ranked->ranked.items;
          for (size_t place = 0; place < items.size(); ++place) places.emplace(items[place].item.value, place);
          for (size_t i = 0; i < frame.contents.size(); ++i) {
            const auto found = places.find(frame.contents[i].item.value);
            if (found == places.end()) {
              refused[i] = 1;
            } else {
              affinity[i] = AffinityOf(found->second, items.size());
            }
          }
          return Status::Ok();
        };
  }

  Result<std::shared_ptr<const ModelSet>> Load(uint64_t generation) const {
    if (generation == 0) return ModelSet::Make(0, nullptr);
    const Result<ModelRecord> record = Present(generation);
    if (!record.ok()) return record.status();
    if (record->kind != "content") {
      return Status::FailedPrecondition("generation " + std::to_string(generation) + " is no content model");
    }
    Result<ContentModel> model = ReadContentModel(store.models_folder() + "/" + record->file);
    if (!model.ok()) return model.status();
    return ModelSet::Make(generation, std::make_shared<const ContentModel>(model.Take()));
  }

  Result<std::shared_ptr<const ResponseSet>> LoadResponses(uint64_t generation) const {
    if (generation == 0) return ResponseSet::Untrained();
    const Result<ModelRecord> record = Present(generation);
    if (!record.ok()) return record.status();
    Result<ResponseSet> set = ReadResponseSet(store.models_folder() + "/" + record->file);
    if (!set.ok()) return set.status();
    set->generation = generation;
    return std::shared_ptr<const ResponseSet>(std::make_shared<const ResponseSet>(set.Take()));
  }

  // A record whose file is still there.
  Result<ModelRecord> Present(uint64_t generation) const {
    Result<ModelRecord> record = store.GetModel(generation);
    if (record.ok() && record->state == ModelState::kRemoved) {
      return Status::FailedPrecondition("the file of generation " + std::to_string(generation) +
                                        " was removed as an old one; choose a newer one, or train again");
    }
    return record;
  }
};

namespace {

Status FirstRefusal(const Result<std::vector<OperationResult>>& results) {
  if (!results.ok()) return results.status();
  for (const OperationResult& result : *results) {
    if (!result.status.ok()) return result.status;
  }
  return Status::Ok();
}

// The SHA-256 that stands at the end of a model file (docs/DATA.md "Model file").
Result<Digest256> FileDigest(const std::string& path) {
  const Result<std::string> bytes = ReadFile(path, uint64_t{16} << 30);
  if (!bytes.ok()) return bytes.status();
  return Sha256(*bytes);
}

}  // namespace

Engine::Engine() = default;
Engine::~Engine() {
  if (impl_) impl_->store.SetObserver({});
}

Result<std::unique_ptr<Engine>> Engine::Open(Store& store, EngineOptions options) {
  std::unique_ptr<Engine> engine(new Engine);
  engine->impl_ = std::make_unique<Impl>(store, std::move(options));
  Impl& impl = *engine->impl_;
  auto recommender = Recommender::Make(impl.options, store.DeriveKey("recommendation"));
  if (!recommender.ok()) return recommender.status();
  impl.recommender = recommender.Take();
  impl.views = std::make_unique<CustomerViews>(store, impl.options.history_cache_customers);
  store.SetObserver([views = impl.views.get()](const StoreChanges& changes) { views->Apply(changes); });
  impl.desk = std::make_shared<ContactDesk>(store);
  auto responses = impl.LoadResponses(store.ActiveGeneration("response"));
  if (responses.ok()) {
    impl.desk->Publish(*responses);
  } else {
    impl.startup_note = "the response model in service cannot be used and is left out: " + responses.status().message();
  }
  auto models = impl.Load(store.ActiveGeneration());
  if (models.ok()) {
    impl.recommender->Prepare(store.catalog(), *models);
    impl.publisher.Publish(*models);
  } else {
    impl.startup_note = "the model in service cannot be used and is left out: " + models.status().message() +
                        "; train again, or activate another generation";
  }
  return engine;
}

void Engine::UseSigningKeys(SigningKeys keys) { impl_->recommender->UseSigningKeys(std::move(keys)); }

Result<RecommendResponse> Engine::Recommend(const RecommendRequest& request) const {
  const Result<RecommendContext> context = impl_->Context(request.customer);
  if (!context.ok()) return context.status();
  return impl_->recommender->Recommend(*context, request);
}

Result<RecommendContext> Engine::ContextOf(const std::optional<CustomerRef>& customer) const {
  return impl_->Context(customer);
}

Result<RecommendResponse> Engine::Recommend(const RecommendContext& context, const RecommendRequest& request) const {
  return impl_->recommender->Recommend(context, request);
}

bool Engine::Stands(const RecommendGround& ground, CustomerId customer) const {
  if (customer.value == 0 || ground.catalog.lock() != impl_->store.catalog()) return false;
  if (ground.models.lock() != impl_->publisher.Get()) return false;
  const auto view = impl_->views->Get(customer);
  return view.ok() && ground.customer.lock() == *view;
}

Result<RecommendRequest> Engine::Continue(const std::string& recommendation_id, Timestamp now) const {
  return impl_->recommender->Continue(recommendation_id, now);
}

Result<TogetherResponse> Engine::Together(const TogetherRequest& request) const {
  const Result<RecommendContext> context = impl_->Context(request.customer);
  if (!context.ok()) return context.status();
  Result<std::vector<RecommendResponse>> placements = impl_->recommender->Together(*context, request);
  if (!placements.ok()) return placements.status();
  return TogetherResponse{SummaryOf(*context->customer), context->models->generation, placements.Take()};
}

Status Engine::Check(const TogetherRequest& request) const {
  const Result<RecommendContext> nobody = impl_->Context(std::nullopt);
  return nobody.ok() ? impl_->recommender->Check(*nobody, request) : nobody.status();
}

Status Engine::Check(const DecisionRequest& request) const {
  RAPPORT_RETURN_IF_ERROR(impl_->desk->Check(request));
  const Result<RecommendContext> nobody = impl_->Context(std::nullopt);
  return nobody.ok() ? impl_->recommender->Check(*nobody, request.question) : nobody.status();
}

Result<PreparedDecision> Engine::Decide(const DecisionRequest& request, const FormatDecision& format) const {
  RAPPORT_RETURN_IF_ERROR(impl_->desk->Check(request));
  const Result<RecommendContext> context = impl_->Context(request.customer);
  if (!context.ok()) return context.status();
  RankResponse ranked;
  if (!request.items.empty()) {
    Result<RankResponse> given = impl_->recommender->Rank(*context, {request.question, request.items});
    if (!given.ok()) return given.status();
    ranked = given.Take();
  } else {
    Result<RecommendResponse> chosen = impl_->recommender->Recommend(*context, request.question);
    if (!chosen.ok()) return chosen.status();
    ranked.ranked = chosen.Take();
  }
  const auto reasons_of = [&](const std::string& item) {
    RankRequest why{request.question, {item}};
    why.question.explain = true;
    const Result<RankResponse> answer = impl_->recommender->Rank(*context, why);
    return answer.ok() && !answer->ranked.items.empty() ? answer->ranked.items[0].reasons : std::vector<Reason>{};
  };
  Result<PreparedDecision> prepared = impl_->desk->Decide(request, ranked, *context->customer, reasons_of, format);
  if (!prepared.ok()) return prepared;
  prepared->settle = [desk = impl_->desk, customer = prepared->decision.customer, id = prepared->decision.id] {
    desk->Settle(customer, id);
  };
  return prepared;
}

Status Engine::CheckBatch(const BatchRequest& request, const BatchKeeping& keeping) const {
  return rapport::CheckBatch(impl_->store, *impl_->desk, request, keeping);
}

Result<BatchRecord> Engine::DecideBatch(const BatchRequest& request, BatchKeeping keeping) {
  if (impl_->batch.exchange(true)) {
    return Status::FailedPrecondition("another batch of decisions runs; wait for it to end");
  }
  struct Release {
    std::atomic<bool>& flag;
    ~Release() { flag = false; }
  } release{impl_->batch};
  if (impl_->HeedsContent(request)) {
    keeping.content_generation = models()->generation;
    keeping.contents = impl_->ContentsOf(request);
  }
  return KeepBatch(impl_->store, *impl_->desk, request, keeping);
}

Result<std::unique_ptr<BatchDecision>> Engine::PlanBatch(const BatchRequest& request,
                                                         std::shared_ptr<const ContactSettings> settings) const {
  BatchHooks hooks;
  if (impl_->HeedsContent(request)) hooks.contents = impl_->ContentsOf(request);
  return rapport::DecideBatch(impl_->store, settings ? settings : contact_settings(), responses(), request, hooks);
}

Result<AssignAnswer> Engine::Assign(const AssignRequest& request) const {
  const auto view_of = [this](const CustomerRef& customer) { return impl_->views->Get(customer); };
  return AssignPlaces(*impl_->store.catalog(), *impl_->desk, view_of, request);
}

std::shared_ptr<const ContactSettings> Engine::contact_settings() const { return impl_->desk->settings(); }
uint64_t Engine::contact_settings_version() const { return impl_->desk->settings_version(); }
Status Engine::UseContactSettings(ContactSettings settings) { return impl_->desk->Use(std::move(settings)); }

Result<RankResponse> Engine::Rank(const RankRequest& request) const {
  const Result<RecommendContext> context = impl_->Context(request.question.customer);
  if (!context.ok()) return context.status();
  return impl_->recommender->Rank(*context, request);
}

Result<RecommendResponse> Engine::Similar(const std::string& item, const ListRequest& request) const {
  const Result<RecommendContext> context = impl_->Context(request.customer);
  if (!context.ok()) return context.status();
  const Item* found = context->catalog->Find(item);
  if (found == nullptr) return Status::NotFound("no item " + QuoteForMessage(item));
  return impl_->recommender->Similar(*context, found->id, request);
}

Result<RecommendResponse> Engine::BoughtTogether(const std::string& item, const ListRequest& request) const {
  const Result<RecommendContext> context = impl_->Context(request.customer);
  if (!context.ok()) return context.status();
  const Item* found = context->catalog->Find(item);
  if (found == nullptr) return Status::NotFound("no item " + QuoteForMessage(item));
  return impl_->recommender->BoughtTogether(*context, found->id, request);
}

Result<RecommendResponse> Engine::Board(BoardKind board, const ListRequest& request) const {
  const Result<RecommendContext> context = impl_->Context(request.customer);
  if (!context.ok()) return context.status();
  return impl_->recommender->Board(*context, board, request);
}

Result<TrainReport> Engine::Train(const TrainOptions& options, const Clock& clock, const TrainProgress& progress,
                                  const FormatReport& format_report) {
  if (impl_->training.exchange(true)) {
    return Status::Unavailable("another training runs; wait for it to end (GET /v1/models shows it)");
  }
  struct Release {
    std::atomic<bool>& flag;
    ~Release() { flag = false; }
  } release{impl_->training};

  const std::shared_ptr<const ModelSet> in_service = models();
  const std::unique_ptr<Snapshot> snapshot = impl_->store.GetSnapshot();
  Result<TrainedModel> trained =
      RunTraining(impl_->store, *snapshot, impl_->options.weights, options, in_service->content.get(), clock, progress);
  if (!trained.ok()) return trained.status();
  TrainReport report = std::move(trained->report);
  if (!report.accepted) return report;

  // Named by its time, so that two trainings never write the same file; the generation is given by the store.
  report.file = "content-" + std::to_string(clock.Now().ms) + ".model";
  RAPPORT_RETURN_IF_ERROR(WriteContentModel(trained->model, impl_->store.models_folder() + "/" + report.file));
  Result<uint64_t> generation = RegisterModel(report.file, format_report ? format_report(report) : "{}", clock.Now());
  if (!generation.ok()) return generation.status();
  report.generation = *generation;
  if (options.activate) {
    RAPPORT_RETURN_IF_ERROR(Activate(report.generation));
    report.activated = true;
  }
  return report;
}

Result<ResponseTrainReport> Engine::TrainResponses(const ResponseTrainOptions& options, const Clock& clock,
                                                   const FormatResponseReport& format_report) {
  if (impl_->training.exchange(true)) {
    return Status::Unavailable("another training runs; wait for it to end (GET /v1/models shows it)");
  }
  struct Release {
    std::atomic<bool>& flag;
    ~Release() { flag = false; }
  } release{impl_->training};
  const std::unique_ptr<Snapshot> snapshot = impl_->store.GetSnapshot();
  Result<TrainedResponse> trained =
      TrainResponse(impl_->store, *snapshot, impl_->desk->settings()->limits, options, clock);
  if (!trained.ok()) return trained.status();
  ResponseTrainReport report = std::move(trained->report);
  if (!report.accepted) return report;
  report.file = "response-" + std::to_string(clock.Now().ms) + ".model";
  RAPPORT_RETURN_IF_ERROR(WriteResponseSet(trained->set, impl_->store.models_folder() + "/" + report.file));
  const Result<uint64_t> generation =
      RegisterModel(report.file, format_report ? format_report(report) : "{}", clock.Now());
  if (!generation.ok()) return generation.status();
  report.generation = *generation;
  if (options.activate) {
    RAPPORT_RETURN_IF_ERROR(Activate(report.generation));
    report.activated = true;
  }
  return report;
}

Status Engine::Activate(uint64_t generation) {
  std::lock_guard hold(impl_->activation);
  const Result<ModelRecord> record =
      generation == 0 ? Result<ModelRecord>(ModelRecord{}) : impl_->store.GetModel(generation);
  if (!record.ok()) return record.status();
  if (record->kind == "response") {
    auto responses = impl_->LoadResponses(generation);
    if (!responses.ok()) return responses.status();
    RAPPORT_RETURN_IF_ERROR(FirstRefusal(impl_->store.ApplyAndWait({ActivateModel{"response", generation}})));
    impl_->desk->Publish(*responses);
    return Status::Ok();
  }
  // Loaded and checked before anything is recorded: a broken file leaves the old model in service.
  auto models = impl_->Load(generation);
  if (!models.ok()) return models.status();
  impl_->recommender->Prepare(impl_->store.catalog(), *models);
  std::vector<Operation> operations;
  operations.push_back(ActivateModel{"content", generation});
  RAPPORT_RETURN_IF_ERROR(FirstRefusal(impl_->store.ApplyAndWait(std::move(operations))));
  impl_->publisher.Publish(*models);
  return Status::Ok();
}

Result<uint64_t> Engine::RegisterModel(const std::string& file_name, const std::string& report_json, Timestamp now) {
  if (file_name.empty() || file_name.find('/') != std::string::npos || file_name[0] == '.') {
    return Status::InvalidArgument("name a file inside " + impl_->store.models_folder() + ", without a path");
  }
  const std::string path = impl_->store.models_folder() + "/" + file_name;
  ModelRecord record;
  if (file_name.starts_with("response-")) record.kind = "response";
  const Status sound = record.kind == "response" ? ReadResponseSet(path).status() : ReadContentModel(path).status();
  RAPPORT_RETURN_IF_ERROR(sound);
  const Result<Digest256> digest = FileDigest(path);
  if (!digest.ok()) return digest.status();
  record.file = file_name;
  record.sha256 = *digest;
  record.created_at = now;
  record.report = report_json;
  std::vector<Operation> operations;
  operations.push_back(PutModel{record});
  const auto results = impl_->store.ApplyAndWait(std::move(operations));
  RAPPORT_RETURN_IF_ERROR(FirstRefusal(results));
  (void)RemoveOldModels();  // the new one is there whatever becomes of the old ones; the next time tries again
  return (*results)[0].id;
}

Status Engine::RemoveOldModels() {
  std::lock_guard hold(impl_->activation);  // nobody puts one in service meanwhile
  const size_t kept = impl_->options.models_kept;
  if (kept == 0) return Status::Ok();
  const std::vector<ModelRecord> models = impl_->store.Models();
  const auto stays = [&](size_t i) {
    size_t newer = 0;  // of its kind
    for (size_t other = i + 1; other < models.size(); ++other) newer += models[other].kind == models[i].kind ? 1 : 0;
    return newer < kept || models[i].generation == impl_->store.ActiveGeneration(models[i].kind);
  };
  std::vector<Operation> operations;
  Status first;
  for (size_t i = 0; i < models.size(); ++i) {
    ModelRecord old = models[i];
    if (stays(i) || old.state == ModelState::kRemoved) continue;
    bool shared = false;  // the same file may have been registered twice
    for (size_t other = 0; other < models.size(); ++other) shared |= stays(other) && models[other].file == old.file;
    std::error_code error;
    if (!shared) std::filesystem::remove(impl_->store.models_folder() + "/" + old.file, error);
    if (error && first.ok()) {
      first = Status::Unavailable("cannot remove " + impl_->store.models_folder() + "/" + old.file + ": " +
                                  error.message());
    }
    if (error) continue;
    old.state = ModelState::kRemoved;
    operations.push_back(PutModel{old});
  }
  if (!operations.empty()) {
    const Status marked = FirstRefusal(impl_->store.ApplyAndWait(std::move(operations)));
    if (first.ok()) first = marked;
  }
  return first;
}

std::shared_ptr<const ModelSet> Engine::models() const { return impl_->publisher.Get(); }
std::shared_ptr<const ResponseSet> Engine::responses() const { return impl_->desk->responses(); }
const EngineOptions& Engine::options() const { return impl_->options; }
const std::string& Engine::startup_note() const { return impl_->startup_note; }
Store& Engine::store() const { return impl_->store; }

Engine::Statistics Engine::statistics() const {
  const CustomerViews::Counters counters = impl_->views->counters();
  return {counters.hits, counters.misses, impl_->training.load()};
}

}  // namespace rapport
