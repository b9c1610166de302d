#include "engine/contact/response_set.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/crypto.h"
#include "base/file.h"
#include "models/response_vector.h"

namespace rapport {
namespace {

constexpr char kMagic[] = "RAPPRESP";
constexpr uint32_t kVersion = 1;
constexpr uint64_t kFileBytesMax = uint64_t{1} << 30;

template <typename T>
void Put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

// Reads from the front; after the first field that does not fit, ok is false.
struct Reader {
  std::string_view in;
  bool ok = true;
  template <typename T>
  T Get() {
    T value{};
    if (in.size() < sizeof value) ok = false;
    if (!ok) return value;
    std::memcpy(&value, in.data(), sizeof value);
    in.remove_prefix(sizeof value);
    return value;
  }
  std::string Text() {
    const auto size = Get<uint32_t>();
    if (size > in.size()) ok = false;
    if (!ok) return "";
    std::string text(in.substr(0, size));
    in.remove_prefix(size);
    return text;
  }
};

void PutNames(std::string& out, const std::vector<std::string>& names) {
  Put(out, static_cast<uint32_t>(names.size()));
  for (const std::string& name : names) {
    Put(out, static_cast<uint32_t>(name.size()));
    out += name;
  }
}
void PutNumbers(std::string& out, const std::vector<uint64_t>& numbers) {
  Put(out, static_cast<uint32_t>(numbers.size()));
  for (const uint64_t number : numbers) Put(out, number);
}
std::vector<std::string> GetNames(Reader& reader) {
  std::vector<std::string> names;
  for (auto left = reader.Get<uint32_t>(); left > 0 && reader.ok; --left) names.push_back(reader.Text());
  return names;
}
std::vector<uint64_t> GetNumbers(Reader& reader) {
  std::vector<uint64_t> numbers;
  for (auto left = reader.Get<uint32_t>(); left > 0 && reader.ok; --left) numbers.push_back(reader.Get<uint64_t>());
  return numbers;
}

bool Ascending(const std::vector<std::string>& names) {
  return !names.empty() && names.front().empty() && std::is_sorted(names.begin(), names.end());
}

// Each index of the model has a name, and names can be searched.
bool Fits(const ResponseVocabulary& names, const ResponseShape& shape) {
  return Ascending(names.channels) && Ascending(names.places) && Ascending(names.kinds) && Ascending(names.segments) &&
         std::is_sorted(names.contents.begin(), names.contents.end()) &&
         std::is_sorted(names.traits.begin(), names.traits.end()) && names.channels.size() == shape.channels &&
         names.places.size() == shape.places && names.kinds.size() == shape.kinds &&
         names.segments.size() == shape.segments && names.contents.size() == shape.content_kind.size() &&
         names.traits.size() == shape.traits;
}

Status Damaged(const std::string& path) {
  return Status::DataLoss(path + " is not a response model as it was written; train again, or activate another");
}

}  // namespace

std::shared_ptr<const ResponseSet> ResponseSet::Untrained() {
  auto model = std::make_shared<ResponseModel>();
  model->level = static_cast<float>(std::log(1.0 / 29));
  model->channel_hour.assign(kHoursOfWeek, 0);
  model->kind_hour.assign(kHoursOfWeek, 0);
  model->kind_channel.assign(1, 0);
  model->place.assign(1, 0);
  model->fatigue.assign(2, 0);
  model->unsubscribe.assign(1, static_cast<float>(std::log(1.0 / 999)));
  model->activity.global.assign(kHoursOfWeek, 1.0 / kHoursOfWeek);
  model->activity.Prepare();
  auto set = std::make_shared<ResponseSet>();
  set->model = std::move(model);
  return set;
}

Status WriteResponseSet(const ResponseSet& set, const std::string& path) {
  std::string names;
  PutNames(names, set.vocabulary.channels);
  PutNames(names, set.vocabulary.places);
  PutNames(names, set.vocabulary.kinds);
  PutNames(names, set.vocabulary.segments);
  PutNumbers(names, set.vocabulary.contents);
  PutNumbers(names, set.vocabulary.traits);
  std::string file(kMagic, 8);
  Put(file, kVersion);
  Put(file, static_cast<uint64_t>(names.size()));
  file += names;
  file += SerializeResponseModel(*set.model);
  const Digest256 digest = Sha256(file);
  file.append(reinterpret_cast<const char*>(digest.data()), digest.size());
  return WriteFileAtomically(path, file, FileMode::kPublic);
}

Result<ResponseSet> ParseResponseSet(std::string_view file, const std::string& name) {
  if (file.size() < 8 + 4 + 8 + sizeof(Digest256) || file.substr(0, 8) != kMagic) return Damaged(name);
  const std::string_view body = file.substr(0, file.size() - sizeof(Digest256));
  const Digest256 digest = Sha256(body);
  if (std::memcmp(digest.data(), file.data() + body.size(), digest.size()) != 0) return Damaged(name);
  Reader reader{body.substr(8)};
  const auto version = reader.Get<uint32_t>();
  if (version > kVersion) return Status::FailedPrecondition(name + " was written by a newer Rapport");
  const auto names_bytes = reader.Get<uint64_t>();
  if (names_bytes > reader.in.size()) return Damaged(name);
  Reader names{reader.in.substr(0, names_bytes)};
  ResponseSet set;
  set.vocabulary.channels = GetNames(names);
  set.vocabulary.places = GetNames(names);
  set.vocabulary.kinds = GetNames(names);
  set.vocabulary.segments = GetNames(names);
  set.vocabulary.contents = GetNumbers(names);
  set.vocabulary.traits = GetNumbers(names);
  if (!names.ok || !names.in.empty()) return Damaged(name);
  Result<ResponseModel> model = ParseResponseModel(reader.in.substr(names_bytes), name);
  if (!model.ok()) return model.status();
  if (!Fits(set.vocabulary, model->shape)) return Damaged(name);
  set.model = std::make_shared<const ResponseModel>(model.Take());
  return set;
}

Result<ResponseSet> ReadResponseSet(const std::string& path) {
  const Result<std::string> file = ReadFile(path, kFileBytesMax);
  return file.ok() ? ParseResponseSet(*file, path) : file.status();
}

}  // namespace rapport
