// make_shards FOLDER NAME [KIND]: a small set of shards for tests that read them with other programs.

#include <cstdio>
#include <exception>

#include "tests/data/shard_fixture.h"

namespace tutti::data {
namespace {

int main(int argc, char** argv) {
  if (argc < 3 || argc > 4) {
    std::fprintf(stderr, "usage: make_shards FOLDER NAME [KIND]\n");
    return 2;
  }
  try {
    const std::filesystem::path folder = argv[1];
    const std::string name = argv[2];
    ShardSchema schema = small_schema();
    if (argc == 4) schema.kind = argv[3];
    std::filesystem::create_directories(folder);
    const std::string file = shard_file_name(name, 0, 1);
    write_shard(folder / file, schema, make_records(11, 30, schema));
    write_index(folder, describe_shards(folder, name, schema, {file}));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "make_shards: %s\n", error.what());
    return 1;
  }
}

}  // namespace
}  // namespace tutti::data

int main(int argc, char** argv) { return tutti::data::main(argc, argv); }
