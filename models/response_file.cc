// The response model as it stands in its file (the names around it: engine/contact/response_set.h), little endian:
//   "RAPPORTR"  u32 version  u32 parts  u64 file bytes                       24 bytes
//   parts x { u64 bytes, then the bytes, padded with zeros to a multiple of 8 }, in the order of Parts below
//   SHA-256 of everything before                                             32 bytes, in every version
// What Prepare makes (activity_model.h) is not stored.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <type_traits>

#include "base/crypto.h"
#include "models/response_model.h"

namespace rapport {
namespace {

static_assert(std::endian::native == std::endian::little, "the file is written as it lies in memory");

constexpr std::string_view kMagic = "RAPPORTR";
constexpr uint32_t kVersion = 3;  // 2: without the last three parts, 1: nor the three before them
constexpr size_t kHeaderBytes = 24, kDigestBytes = 32;

// Calls `part(field)` for every stored part in the file's order: numbers, arrays of numbers, vectors of numbers. The
// one list that writing, reading and counting share; never reordered, new parts at the end with a new version.
template <typename Model, typename Part>
void Parts(Model& model, uint32_t version, const Part& part) {
  auto& shape = model.shape;
  part(shape.channels), part(shape.places), part(shape.kinds), part(shape.segments), part(shape.traits);
  part(shape.content_kind);
  part(model.trial_half_life_days), part(model.level);
  part(model.channel_hour), part(model.kind_hour), part(model.content_channel), part(model.kind_channel);
  part(model.place), part(model.affinity), part(model.fatigue), part(model.activity_weight);
  part(model.prior_precision), part(model.traits), part(model.damping);
  part(model.unsubscribe), part(model.unsubscribe_recent);
  auto& activity = model.activity;
  part(activity.segments), part(activity.types), part(activity.half_life_days);
  part(activity.global), part(activity.segment), part(activity.type_share), part(activity.type_curve);
  part(activity.weights);
  auto& report = model.report;
  part(report.customers), part(report.trials), part(report.validation_trials);
  part(report.loss_global), part(report.loss_personal), part(report.gain_lower), part(report.trait_gain_lower);
  part(report.stratum_gain), part(report.stratum_trials);
  if (version < 2) return;
  part(model.kind_channel_hour), part(model.level_damping);
  part(report.three_way_gain_lower);
  if (version < 3) return;
  part(model.factors), part(model.trait_factors), part(report.together_gain_lower);
}

template <typename T>
struct IsVector : std::false_type {};
template <typename T>
struct IsVector<std::vector<T>> : std::true_type {};

uint32_t CountParts(uint32_t version) {
  uint32_t count = 0;
  ResponseModel model;
  Parts(model, version, [&count](auto&) { ++count; });
  return count;
}

void Append64(std::string& out, uint64_t value) { out.append(reinterpret_cast<const char*>(&value), sizeof(value)); }

size_t Padded(uint64_t bytes) { return (bytes + 7) / 8 * 8; }

template <typename Field>
void WritePart(const Field& field, std::string& out) {
  const char* data = reinterpret_cast<const char*>(&field);
  size_t bytes = sizeof(field);
  if constexpr (IsVector<Field>::value) {
    data = reinterpret_cast<const char*>(field.data());
    bytes = field.size() * sizeof(field[0]);
  }
  Append64(out, bytes);
  if (bytes > 0) out.append(data, bytes);
  out.append(Padded(bytes) - bytes, '\0');
}

// One owner, one thread: walks the bytes between header and checksum.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <typename Field>
  void Read(Field& field) {
    if (failed_ || bytes_.size() < 8) return Fail();
    uint64_t bytes = 0;
    std::memcpy(&bytes, bytes_.data(), 8);
    bytes_.remove_prefix(8);
    if (bytes > bytes_.size() || Padded(bytes) > bytes_.size()) return Fail();
    if constexpr (IsVector<Field>::value) {
      if (bytes % sizeof(field[0]) != 0) return Fail();
      field.resize(bytes / sizeof(field[0]));
      if (bytes > 0) std::memcpy(field.data(), bytes_.data(), bytes);
    } else {
      if (bytes != sizeof(field)) return Fail();
      std::memcpy(&field, bytes_.data(), bytes);
    }
    bytes_.remove_prefix(Padded(bytes));
  }
  bool Done() const { return !failed_ && bytes_.empty(); }

 private:
  void Fail() { failed_ = true; }
  std::string_view bytes_;
  bool failed_ = false;
};

template <typename T>
bool IsFinite(const T& part) {
  if constexpr (std::is_arithmetic_v<T>) {
    return std::isfinite(static_cast<double>(part));
  } else {
    return std::all_of(part.begin(), part.end(), [](const auto& one) { return IsFinite(one); });
  }
}

Status Bad(const char* what) { return Status::DataLoss(std::string("response model: ") + what); }

}  // namespace

Status CheckResponseModel(const ResponseModel& model) {
  const ResponseShape& shape = model.shape;
  const size_t c = shape.channels, k = shape.kinds, d = 1 + c + k + kOwnHourFunctions;
  if (c == 0 || c > 255 || k == 0 || k > 255 || shape.places == 0 || shape.places > 255 || shape.segments == 0) {
    return Bad("its shape is out of range");
  }
  const bool fits =
      model.channel_hour.size() == c * kHoursOfWeek && model.kind_hour.size() == k * kHoursOfWeek &&
      model.content_channel.size() == shape.content_kind.size() * c && model.kind_channel.size() == k * c &&
      model.place.size() == shape.places && model.fatigue.size() == 2 * c && model.prior_precision.size() == d * d &&
      (model.kind_channel_hour.empty() || model.kind_channel_hour.size() == c * k * kHoursOfWeek) &&
      model.trait_factors.size() == shape.traits * model.factor_count() &&
      model.factors.size() == model.factor_count() * c * k * kHoursOfWeek && model.factor_count() <= kTogetherFactors &&
      (model.traits.empty() || model.traits.size() == shape.traits * d) && model.unsubscribe.size() == c;
  if (!fits) return Bad("a part has the wrong size");
  if (std::any_of(shape.content_kind.begin(), shape.content_kind.end(), [k](uint8_t one) { return one >= k; })) {
    return Bad("a content's kind is out of range");
  }
  bool finite = true;
  Parts(model, kVersion, [&finite](const auto& part) { finite = finite && IsFinite(part); });
  if (!finite) return Bad("a number is not finite");
  if (!(model.trial_half_life_days > 0) || model.activity_weight < 0 || model.unsubscribe_recent < 0) {
    return Bad("a number is out of range");
  }
  std::vector<double> inverse(d * d);
  if (!InverseOf(model.prior_precision, d, inverse)) return Bad("the customers' covariance is not positive definite");
  if (model.activity.segments != shape.segments) return Bad("activity and response disagree on the segments");
  return CheckActivityModel(model.activity);
}

std::string SerializeResponseModel(const ResponseModel& model) {
  std::string body;
  Parts(model, kVersion, [&body](const auto& part) { WritePart(part, body); });
  std::string file(kMagic);
  Append64(file, kVersion | uint64_t{CountParts(kVersion)} << 32);
  Append64(file, kHeaderBytes + body.size() + kDigestBytes);
  file += body;
  const Digest256 digest = Sha256(file);
  file.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return file;
}

Result<ResponseModel> ParseResponseModel(std::string_view file, const std::string& name) {
  const auto bad = [&name](const char* what) { return Status::DataLoss("response model file " + name + ": " + what); };
  if (file.size() < kHeaderBytes + kDigestBytes || file.substr(0, kMagic.size()) != kMagic) {
    return bad("not a response model file");
  }
  const std::string_view body = file.substr(0, file.size() - kDigestBytes);
  const Digest256 digest = Sha256(body);
  if (std::memcmp(digest.data(), file.data() + body.size(), kDigestBytes) != 0) {
    return bad("its checksum does not match: truncated or damaged");
  }
  uint64_t versions = 0, bytes = 0;
  std::memcpy(&versions, file.data() + 8, 8);
  std::memcpy(&bytes, file.data() + 16, 8);
  const auto version = static_cast<uint32_t>(versions);
  if (version > kVersion) {
    return Status::FailedPrecondition("response model file " + name + ": its format is newer than this program's " +
                                      std::to_string(kVersion) + "; upgrade, or train again");
  }
  if (version == 0 || versions != (version | uint64_t{CountParts(version)} << 32) || bytes != file.size()) {
    return bad("its header is not valid");
  }
  ResponseModel model;
  Reader reader(body.substr(kHeaderBytes));
  Parts(model, version, [&reader](auto& part) { reader.Read(part); });
  if (!reader.Done()) return bad("its parts do not fit");
  if (version < 2) model.level_damping = model.damping;  // there was one for both
  RAPPORT_RETURN_IF_ERROR(CheckResponseModel(model));
  model.activity.Prepare();
  return model;
}

}  // namespace rapport
