// Training for `make bench-peers`; all commands end with one line of JSON.
//   generate OUT [--customers --items --interactions --seed]   a matrix (bench/matrix_file.h)
//   split MATRIX TRAIN HELD                                     a fifth of the cells of up to 5,000 customers held out
//   train MATRIX [--dump PREFIX]
//       {"ready"} when it is loaded, then one epoch for each line on the input: {"epoch", "cpu", "wall"}, then one more
//       line: {"peakBytes"}; the factors go to PREFIX.customers and PREFIX.items as floats
//   losses MATRIX                   after each epoch: {"losses"}
//   loss MATRIX FACTORS-PREFIX      of given factors, in double: {"loss"}
//   ndcg TRAIN HELD FACTORS-PREFIX
//       NDCG@20 over the whole catalogue, what was trained on left out: {"ndcg20", "customers"}
//   parity MATRIX                   largest gap to the double reference over the epochs: {"gap"}; 3 where above 1e-6
//   floor MATRIX                    {"operations", "operationsPerSecond", "memorySeconds", "floorSeconds"}
// Ends with 3 where an answer is wrong. --plant slow|wrong breaks the solver on purpose, for the bench's own test.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <nlohmann/json.hpp>

#include "bench/matrix_file.h"
#include "bench/training_floor.h"
#include "bench/training_reference.h"
#include "models/top_k.h"

namespace rapport::bench {
namespace {

using nlohmann::json;

constexpr double kGapMax = 1e-6;
constexpr int kWrong = 3;

struct Arguments {
  std::string matrix, other, prefix, solver = "conjugate-gradient", plant;
  AlsOptions options;
  ShopShape shape;
};

int Answer(const json& answer) {
  std::cout << answer.dump() << std::endl;
  return 0;
}
int Fail(const std::string& why) {
  std::cerr << "rapport_training: " << why << "\n";
  return 1;
}

double CpuSeconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

AlsOptions FastOptions(const Arguments& a) {
  AlsOptions options = a.options;
  if (a.plant == "wrong") options.regularization *= 1.01;
  return options;
}

template <typename T>
bool WriteRaw(const std::string& path, const std::vector<T>& values) {
  std::ofstream file(path, std::ios::binary);
  WriteAll(file, values);
  return static_cast<bool>(file.flush());
}
std::vector<float> ReadRaw(const std::string& path, size_t count) {
  std::ifstream file(path, std::ios::binary);
  std::vector<float> values;
  ReadAll(file, values, count);
  if (!file) values.clear();
  return values;
}

int Generate(const Arguments& a) {
  const Interactions shop = GenerateShop(a.shape);
  if (!WriteMatrix(a.matrix, shop)) return Fail("cannot write " + a.matrix);
  return Answer({{"customers", shop.rows}, {"items", shop.columns_count}, {"interactions", shop.nnz()}});
}

void Append(Interactions& to, const std::vector<uint32_t>& row) {
  to.columns.insert(to.columns.end(), row.begin(), row.end());
  to.offsets.push_back(to.columns.size());
}

int Split(const Arguments& a) {
  const Interactions all = ReadMatrix(a.matrix);
  Interactions train{all.rows, all.columns_count}, held = train;
  Random random(a.shape.seed);
  const double share = std::min(1.0, 5000.0 / std::max(1u, all.rows));
  for (uint32_t u = 0; u < all.rows; ++u) {
    const auto columns = all.RowColumns(u);
    const bool chosen = columns.size() >= 5 && random.Uniform() < share;
    std::vector<uint32_t> kept, out;
    for (uint32_t column : columns) (chosen && random.Uniform() < 0.2 ? out : kept).push_back(column);
    Append(train, kept);
    Append(held, out);
  }
  if (!WriteMatrix(a.other, train) || !WriteMatrix(a.prefix, held)) return Fail("cannot write the two halves");
  return Answer({{"train", train.nnz()}, {"held", held.nnz()}});
}

// One epoch for each line of the input; rests while another trainer has its turn.
class Turns {
 public:
  explicit Turns(bool slow) : slow_(slow) {}
  bool Wait() {
    std::string line;
    if (!std::getline(std::cin, line)) return false;
    Mark();
    return true;
  }
  bool After(int epoch) {
    if (slow_) {  // planted: as if an epoch took three times what it takes
      const double spent = CpuSeconds() - cpu_;
      while (CpuSeconds() < cpu_ + 3 * spent) continue;
    }
    Answer({{"epoch", epoch}, {"cpu", CpuSeconds() - cpu_}, {"wall", WallSeconds() - wall_}});
    return Wait();
  }

 private:
  void Mark() { cpu_ = CpuSeconds(), wall_ = WallSeconds(); }
  bool slow_;
  double cpu_ = 0, wall_ = 0;
};

int Train(const Arguments& a) {
  const Interactions matrix = ReadMatrix(a.matrix);
  Turns turns(a.plant == "slow");
  Answer({{"ready", true}});
  if (!turns.Wait()) return 0;
  const Result<AlsFit> fit =
      FitAls(matrix, FastOptions(a), LossTracking::kOff, [&](int epoch) { return turns.After(epoch); });
  if (!fit.ok()) return fit.status().code() == StatusCode::kUnavailable ? 0 : Fail(fit.status().message());
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  if (!a.prefix.empty() && (!WriteRaw(a.prefix + ".customers", fit->customer_factors) ||
                            !WriteRaw(a.prefix + ".items", fit->model.item_factors))) {
    return Fail("cannot write " + a.prefix);
  }
  return Answer({{"peakBytes", static_cast<uint64_t>(usage.ru_maxrss) * 1024}});
}

int Losses(const Arguments& a) {
  const Result<AlsFit> fit = FitAls(ReadMatrix(a.matrix), FastOptions(a), LossTracking::kEveryEpoch);
  if (!fit.ok()) return Fail(fit.status().message());
  return Answer({{"losses", fit->epoch_losses}});
}

int Loss(const Arguments& a) {
  const Interactions matrix = ReadMatrix(a.matrix);
  const auto d = static_cast<size_t>(a.options.factors);
  const std::vector<float> customers = ReadRaw(a.prefix + ".customers", matrix.rows * d);
  const std::vector<float> items = ReadRaw(a.prefix + ".items", matrix.columns_count * d);
  if (customers.empty() || items.empty()) return Fail("no factors of that shape in " + a.prefix);
  return Answer({{"loss", AlsLoss(matrix, a.options, customers, items)}});
}

double Ndcg20(std::span<const Scored> shown, std::span<const uint32_t> relevant) {
  double gained = 0, ideal = 0;
  for (size_t place = 0; place < 20; ++place) {
    const double discount = 1 / std::log2(static_cast<double>(place) + 2);
    if (place < relevant.size()) ideal += discount;
    if (place < shown.size() && std::binary_search(relevant.begin(), relevant.end(), shown[place].index))
      gained += discount;
  }
  return gained / ideal;
}

int Ndcg(const Arguments& a) {
  const Interactions train = ReadMatrix(a.matrix), held = ReadMatrix(a.other);
  const auto d = static_cast<size_t>(a.options.factors);
  const std::vector<float> customers = ReadRaw(a.prefix + ".customers", train.rows * d);
  const std::vector<float> items = ReadRaw(a.prefix + ".items", train.columns_count * d);
  if (customers.empty() || items.empty()) return Fail("no factors of that shape in " + a.prefix);
  std::vector<double> values(train.rows, -1);
  ParallelFor(train.rows, 64, 0, [&](size_t begin, size_t end, size_t) {
    std::vector<float> scores(train.columns_count);
    for (size_t u = begin; u < end; ++u) {
      const auto relevant = held.RowColumns(static_cast<uint32_t>(u));
      if (relevant.empty()) continue;
      ScoreAll(items, std::span(customers).subspan(u * d, d), scores);
      for (uint32_t seen : train.RowColumns(static_cast<uint32_t>(u))) scores[seen] = -INFINITY;
      values[u] = Ndcg20(TopK(scores, 20), relevant);
    }
  });
  std::erase_if(values, [](double value) { return value < 0; });
  double sum = 0;
  for (double value : values) sum += value;
  return Answer({{"ndcg20", sum / static_cast<double>(values.size())}, {"customers", values.size()}});
}

double GapBetween(const std::vector<double>& a, const std::vector<double>& b) {
  double gap = a.size() == b.size() ? 0 : 1;
  for (size_t e = 0; e < std::min(a.size(), b.size()); ++e) gap = std::max(gap, std::abs(a[e] / b[e] - 1));
  return gap;
}

int Parity(const Arguments& a) {
  const Interactions matrix = ReadMatrix(a.matrix);
  const Result<AlsFit> fit = FitAls(matrix, FastOptions(a), LossTracking::kEveryEpoch);
  if (!fit.ok()) return Fail(fit.status().message());
  const double gap = GapBetween(fit->epoch_losses, DoubleLosses(matrix, a.options));
  Answer({{"gap", gap}, {"epochs", a.options.epochs}});
  if (gap <= kGapMax) return 0;
  std::cout << "loss is " << gap << " away from the double reference; 1e-6 is allowed" << std::endl;
  return kWrong;
}

int Floor(const Arguments& a) {
  const Interactions by_customer = ReadMatrix(a.matrix), by_item = by_customer.Transposed();
  const double operations =
      EpochOperations(by_customer, by_item, a.options.factors, a.options.conjugate_gradient_steps);
  const double rate = ArithmeticRate(), memory = EpochMemorySeconds(by_customer, by_item, a.options.factors);
  return Answer({{"operations", operations},
                 {"operationsPerSecond", rate},
                 {"memorySeconds", memory},
                 {"floorSeconds", std::max(operations / rate, memory)}});
}

int Run(int argc, char** argv) {
  CLI::App app("Training for make bench-peers");
  app.require_subcommand(1);
  Arguments a;
  a.options.regularization_power = 0;
  int (*command)(const Arguments&) = nullptr;
  const auto add = [&](const char* name, int (*run)(const Arguments&), std::vector<std::string*> paths) {
    CLI::App* one = app.add_subcommand(name);
    for (size_t i = 0; i < paths.size(); ++i) one->add_option("path" + std::to_string(i), *paths[i])->required();
    one->callback([&command, run] { command = run; });
    one->fallthrough();
  };
  add("generate", Generate, {&a.matrix});
  add("split", Split, {&a.matrix, &a.other, &a.prefix});
  add("train", Train, {&a.matrix});
  add("losses", Losses, {&a.matrix});
  add("loss", Loss, {&a.matrix, &a.prefix});
  add("ndcg", Ndcg, {&a.matrix, &a.other, &a.prefix});
  add("parity", Parity, {&a.matrix});
  add("floor", Floor, {&a.matrix});
  app.add_option("--customers", a.shape.customers);
  app.add_option("--items", a.shape.items);
  app.add_option("--interactions", a.shape.interactions);
  app.add_option("--seed", a.shape.seed);
  app.add_option("--factors", a.options.factors);
  app.add_option("--epochs", a.options.epochs);
  app.add_option("--threads", a.options.threads);
  app.add_option("--solver", a.solver);
  app.add_option("--steps", a.options.conjugate_gradient_steps);
  app.add_option("--block", a.options.block_size);
  app.add_option("--unobserved", a.options.unobserved_weight);
  app.add_option("--regularization", a.options.regularization);
  app.add_option("--power", a.options.regularization_power);
  app.add_option("--init", a.options.init_scale);
  app.add_flag_callback("--spectral", [&a] { a.options.start = AlsStart::kSpectral; });
  app.add_option("--dump", a.prefix);
  app.add_option("--plant", a.plant)->check(CLI::IsMember({"slow", "wrong"}));
  CLI11_PARSE(app, argc, argv);
  const Result<AlsSolver> solver = ParseAlsSolver(a.solver);
  if (!solver.ok()) return Fail(solver.status().message());
  a.options.solver = *solver;
  return command(a);
}

}  // namespace
}  // namespace rapport::bench

int main(int argc, char** argv) { return rapport::bench::Run(argc, argv); }
