#include "server/endpoints/answer_memory.h"

namespace rapport {

AnswerMemory::AnswerMemory(AnswerMemoryOptions options) : options_(options) {
  for (Shard& shard : shards_) {
    shard.recent = decltype(shard.recent)(decltype(shard.recent)::kUnbounded, options_.bytes_max / kShards);
  }
}

std::shared_ptr<const AnswerMemory::Kept> AnswerMemory::Find(const std::string& key, Timestamp now) {
  if (!on()) return nullptr;
  Shard& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  const auto* found = shard.recent.Find(key);
  if (found == nullptr) return nullptr;
  if ((*found)->expires_at > now) return *found;
  shard.recent.Erase(key);
  return nullptr;
}

void AnswerMemory::Keep(const std::string& key, std::shared_ptr<const Kept> kept) {
  if (!on()) return;
  const size_t bytes = key.size() + kept->text.size() + 256;
  Shard& shard = ShardOf(key);
  std::lock_guard lock(shard.mutex);
  shard.recent.Put(key, std::move(kept), bytes);
}

size_t AnswerMemory::bytes() const {
  size_t sum = 0;
  for (const Shard& shard : shards_) {
    std::lock_guard lock(shard.mutex);
    sum += shard.recent.bytes();
  }
  return sum;
}

}  // namespace rapport
