#include "server/backup.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/text.h"
#include "data/store.h"

namespace rapport {

namespace {

namespace fs = std::filesystem;

constexpr const char* kSums = "SHA256SUMS";
constexpr const char* kMarkerName = "RAPPORT";
constexpr const char* kPartial = ".partial";
constexpr uint64_t kSumsBytesMax = 256u << 20;
constexpr size_t kHexBytes = 64;

std::string Hex(const Digest256& digest) {
  return ToHex({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

Status CannotDo(const std::string& what, const std::error_code& error) {
  const std::string message = what + ": " + error.message();
  if (error == std::errc::no_space_on_device) return Status::ResourceExhausted(message);
  return Status::Unavailable(message);
}

// "20260401T093000.123Z": sorts as time does.
std::string NameOf(Timestamp time) {
  const CivilTime civil = UtcToCivil(time);
  char text[64];
  std::snprintf(text, sizeof text, "%04d%02d%02dT%02d%02d%02d.%03dZ", civil.year, civil.month, civil.day, civil.hour,
                civil.minute, civil.second, static_cast<int>(((time.ms % 1000) + 1000) % 1000));
  return text;
}

bool IsBackupName(const std::string& name) {
  constexpr std::string_view kShape = "00000000T000000.000Z";
  if (name.size() != kShape.size()) return false;
  return std::equal(kShape.begin(), kShape.end(), name.begin(),
                    [](char shape, char c) { return shape == '0' ? c >= '0' && c <= '9' : c == shape; });
}

// Never rewritten under the same name within one store: RocksDB's tables, and models.
bool IsImmutable(const std::string& path) { return path.ends_with(".sst") || path.starts_with("models/"); }

// All regular files, relative, sorted. What a backup does not hold is refused: links lead out of it.
Result<std::vector<std::string>> FilesOf(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->is_directory() && !it->is_symlink()) continue;
    const std::string path = it->path().lexically_relative(folder).string();
    if (!it->is_regular_file() || it->is_symlink()) return Status::DataLoss(folder + "/" + path + " is no plain file");
    files.push_back(path);
  }
  if (error) return CannotDo("cannot list " + folder, error);
  std::sort(files.begin(), files.end());
  return files;
}

std::string FormatSums(const std::map<std::string, FileSummary>& files) {
  std::string text;
  for (const auto& [path, digest] : files) text += Hex(digest.sha256) + "  " + path + "\n";
  return text;
}

// path -> hex. kDataLoss for anything that FormatSums does not write.
Result<std::map<std::string, std::string>> ReadSums(const std::string& folder) {
  const std::string file = folder + "/" + kSums;
  const Result<std::string> text = ReadFile(file, kSumsBytesMax);
  if (!text.ok()) return text.status();
  std::map<std::string, std::string> sums;
  std::string_view rest = *text;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const std::string_view line = rest.substr(0, end);
    const bool good = end != std::string_view::npos && line.size() > kHexBytes + 2 &&
                      line.substr(kHexBytes, 2) == "  " && line[kHexBytes + 2] != '/' &&
                      line.find("..") == std::string_view::npos;
    if (!good) return Status::DataLoss(file + " is damaged; take an older backup");
    sums.emplace(line.substr(kHexBytes + 2), line.substr(0, kHexBytes));
    rest.remove_prefix(end + 1);
  }
  return sums;
}

// Folders of `files` inside `to`, parents first.
Status MakeFolders(const std::vector<std::string>& files, const std::string& to) {
  for (const std::string& path : files) {
    std::error_code error;
    fs::create_directories((fs::path(to) / path).parent_path(), error);
    if (error) return CannotDo("cannot create a folder in " + to, error);
  }
  return Status::Ok();
}

Status SyncTree(const std::string& folder) {
  std::error_code error;
  for (fs::recursive_directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    if (it->is_directory()) RAPPORT_RETURN_IF_ERROR(SyncFolder(it->path().string()));
  }
  if (error) return CannotDo("cannot list " + folder, error);
  return SyncFolder(folder);
}

// What the backup before this one offers for links.
struct Earlier {
  std::string folder;
  std::map<std::string, std::string> sums;
};

Earlier NewestBackup(const std::string& target) {
  const std::vector<std::string> names = ListBackups(target);
  if (names.empty()) return {};
  Earlier earlier{target + "/" + names.back(), {}};
  if (Result<std::map<std::string, std::string>> sums = ReadSums(earlier.folder); sums.ok()) earlier.sums = sums.Take();
  return earlier;  // damaged sums: nothing is linked
}

// One file into the backup in the making: a link when the earlier backup has these bytes, otherwise a copy.
Result<FileSummary> KeepFile(const std::string& checkpoint, const std::string& path, const std::string& to,
                             const Earlier& earlier, uint64_t* bytes_shared) {
  const auto known = earlier.sums.find(path);
  if (known != earlier.sums.end() && IsImmutable(path)) {
    const Result<FileSummary> digest = DigestFile(checkpoint + "/" + path);
    if (!digest.ok()) return digest.status();
    // Read again, not believed: what rotted there must not be in the new one.
    const bool promised = Hex(digest->sha256) == known->second;
    const Result<FileSummary> there = promised ? DigestFile(earlier.folder + "/" + path) : digest;
    if (promised && there.ok() && there->sha256 == digest->sha256) {
      std::error_code error;
      fs::create_hard_link(earlier.folder + "/" + path, to + "/" + path, error);
      if (!error) {
        *bytes_shared += digest->bytes;
        return digest;
      }
    }
  }
  return CopyFileDurably(checkpoint + "/" + path, to + "/" + path);
}

// Opens it as a reader does and checks every block: a backup that cannot be read is none.
Status TryToRead(const std::string& folder) {
  StoreOptions options;
  options.create_if_missing = false;
  options.block_cache_bytes = 8u << 20;
  const Result<std::unique_ptr<Store>> store = Store::Open(folder, options, StoreAccess::kReadOnly);
  if (!store.ok()) return store.status();
  return (*store)->VerifyChecksums();
}

Status CopyAll(const std::string& checkpoint, const std::string& to, const BackupOptions& options,
               BackupReport* report) {
  const Earlier earlier = options.full ? Earlier{} : NewestBackup(options.folder);
  const Result<std::vector<std::string>> files = FilesOf(checkpoint);
  if (!files.ok()) return files.status();
  RAPPORT_RETURN_IF_ERROR(MakeFolders(*files, to));
  if (::chmod(to.c_str(), 0700) != 0) return Status::Unavailable("cannot set the mode of " + to);  // it holds `secret`
  std::map<std::string, FileSummary> written;
  for (const std::string& path : *files) {
    if (path == "lock" || path == kSums) continue;
    if (options.cancelled != nullptr && *options.cancelled) return Status::Unavailable("the server is stopping");
    const Result<FileSummary> digest = KeepFile(checkpoint, path, to, earlier, &report->bytes_shared);
    if (!digest.ok()) return digest.status();
    written.emplace(path, *digest);
    report->bytes += digest->bytes;
  }
  report->files = written.size();
  RAPPORT_RETURN_IF_ERROR(TryToRead(to));
  RAPPORT_RETURN_IF_ERROR(WriteFileAtomically(to + "/" + kSums, FormatSums(written), FileMode::kPublic));
  return SyncTree(to);
}

void RemovePartials(const std::string& target) {
  std::error_code error;
  std::vector<fs::path> partials;
  for (const auto& entry : fs::directory_iterator(target, error)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with(kPartial) && IsBackupName(name.substr(0, name.size() - std::strlen(kPartial)))) {
      partials.push_back(entry.path());
    }
  }
  for (const fs::path& partial : partials) fs::remove_all(partial, error);
}

// Renamed first: a removal that a crash cuts short leaves no backup that lacks half its files.
void RemoveOldest(const std::string& target, size_t keep, BackupReport* report) {
  const std::vector<std::string> names = ListBackups(target);
  for (size_t i = 0; keep > 0 && i + keep < names.size(); ++i) {
    std::error_code error;
    fs::rename(target + "/" + names[i], target + "/" + names[i] + kPartial, error);
    if (error) continue;
    fs::remove_all(target + "/" + names[i] + kPartial, error);
    report->removed.push_back(names[i]);
  }
}

// kFailedPrecondition when there is anything in it; made when it is not there.
Status PrepareEmpty(const std::string& data) {
  std::error_code error;
  if (fs::exists(data, error) && !fs::is_directory(data, error)) {
    return Status::FailedPrecondition(data + " is a file, not a folder");
  }
  fs::create_directories(data, error);
  if (error) return CannotDo("cannot create " + data, error);
  for (const auto& entry : fs::directory_iterator(data, error)) {
    const std::string name = entry.path().filename().string();
    if (name == "lost+found") continue;
    return Status::FailedPrecondition(data + " is not empty (it holds '" + name +
                                      "'): stop the server, move the folder away, and restore into a new one");
  }
  return error ? CannotDo("cannot list " + data, error) : Status::Ok();
}

// Root restores for the user that will serve.
Status GiveToOwner(const std::string& path, const std::string& data) {
  struct stat owner {};
  if (::geteuid() != 0 || ::stat(data.c_str(), &owner) != 0) return Status::Ok();
  if (::lchown(path.c_str(), owner.st_uid, owner.st_gid) == 0) return Status::Ok();
  return Status(StatusCode::kPermissionDenied, "cannot give " + path + " to the owner of " + data);
}

Status CopyBack(const std::string& backup, const std::string& path, const FileSummary& expected,
                const std::string& data) {
  const std::string to = data + "/" + path;
  const Result<FileSummary> copied = CopyFileDurably(backup + "/" + path, to);
  if (!copied.ok()) return copied.status();
  if (copied->sha256 != expected.sha256) return Status::DataLoss(backup + "/" + path + " changed while it was copied");
  return GiveToOwner(to, data);
}

// A backup inside of what it saves goes where that goes: moved away, or lost with it.
Status CheckOutsideStores(const std::string& folder) {
  std::error_code error;
  const fs::path target = fs::weakly_canonical(folder, error);
  if (error) return CannotDo("cannot look at " + folder, error);
  for (fs::path at = target;; at = at.parent_path()) {
    if (fs::exists(at / kMarkerName, error)) {
      return Status::InvalidArgument(folder + (at == target ? " is" : " lies in") +
                                     " a store or a backup itself; name a folder for backups");
    }
    if (at == at.root_path()) return Status::Ok();
  }
}

}  // namespace

bool IsBackup(const std::string& folder) {
  std::error_code error;
  return fs::is_regular_file(folder + "/" + kSums, error);
}

std::vector<std::string> ListBackups(const std::string& target) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(target, error)) {
    const std::string name = entry.path().filename().string();
    if (IsBackupName(name) && IsBackup(entry.path().string())) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<BackupReport> WriteBackup(const std::string& checkpoint, const BackupOptions& options, Timestamp now) {
  RAPPORT_RETURN_IF_ERROR(CheckOutsideStores(options.folder));
  std::error_code error;
  fs::create_directories(options.folder, error);
  if (error) return CannotDo("cannot create " + options.folder, error);
  Result<FileLock> lock = FileLock::Acquire(options.folder + "/lock", "rapport backup");
  if (!lock.ok()) return Status(lock.status().code(), "another backup is written here: " + lock.status().message());
  RemovePartials(options.folder);
  BackupReport report;
  // Two within one millisecond are told apart by their names, too.
  do {
    report.folder = options.folder + "/" + NameOf(now);
    ++now.ms;
  } while (fs::exists(report.folder, error));
  const std::string partial = report.folder + kPartial;
  const Status copied = CopyAll(checkpoint, partial, options, &report);
  if (!copied.ok()) {
    fs::remove_all(partial, error);
    return Status(copied.code(), "no backup was made: " + copied.message());
  }
  fs::rename(partial, report.folder, error);
  if (error) return CannotDo("cannot rename " + partial, error);
  RAPPORT_RETURN_IF_ERROR(SyncFolder(options.folder));
  RemoveOldest(options.folder, options.keep, &report);
  return report;
}

Result<VerifiedBackup> VerifyBackup(const std::string& folder) {
  const Result<std::map<std::string, std::string>> sums = ReadSums(folder);
  if (!sums.ok()) return sums.status();
  const Result<std::vector<std::string>> files = FilesOf(folder);
  if (!files.ok()) return files.status();
  VerifiedBackup verified;
  for (const std::string& path : *files) {
    if (path == kSums) continue;
    const auto expected = sums->find(path);
    if (expected == sums->end()) return Status::DataLoss(folder + "/" + path + " is not in " + kSums);
    const Result<FileSummary> digest = DigestFile(folder + "/" + path);
    if (!digest.ok()) return digest.status();
    if (Hex(digest->sha256) != expected->second) {
      return Status::DataLoss(folder + "/" + path + " is not what was written; take another backup");
    }
    verified.files.emplace(path, *digest);
    verified.bytes += digest->bytes;
  }
  for (const auto& [path, sum] : *sums) {
    if (verified.files.count(path) == 0) {
      return Status::DataLoss(folder + "/" + QuoteForMessage(path, 256) + " is missing; take another backup");
    }
  }
  if (verified.files.count(kMarkerName) == 0) return Status::DataLoss(folder + " is no backup of a store");
  return verified;
}

Result<VerifiedBackup> RestoreBackup(const std::string& backup, const std::string& data) {
  if (!IsBackup(backup)) {
    const std::vector<std::string> inside = ListBackups(backup);
    const std::string hint = inside.empty() ? "" : "; the newest in it is " + backup + "/" + inside.back();
    return Status::FailedPrecondition(backup + " is no backup (it has no " + kSums + ")" + hint);
  }
  RAPPORT_RETURN_IF_ERROR(PrepareEmpty(data));
  Result<VerifiedBackup> verified = VerifyBackup(backup);
  if (!verified.ok()) return verified;
  std::vector<std::string> files;
  for (const auto& [path, digest] : verified->files) files.push_back(path);
  RAPPORT_RETURN_IF_ERROR(MakeFolders(files, data));
  std::error_code error;
  fs::create_directories(data + "/models", error);
  for (const char* folder : {"/db", "/models"}) RAPPORT_RETURN_IF_ERROR(GiveToOwner(data + folder, data));
  for (const auto& [path, digest] : verified->files) {
    if (path != kMarkerName) RAPPORT_RETURN_IF_ERROR(CopyBack(backup, path, digest, data));
  }
  RAPPORT_RETURN_IF_ERROR(SyncTree(data));
  RAPPORT_RETURN_IF_ERROR(CopyBack(backup, kMarkerName, verified->files[kMarkerName], data));
  RAPPORT_RETURN_IF_ERROR(SyncFolder(data));
  return verified;
}

}  // namespace rapport
