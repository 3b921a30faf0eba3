// A fresh, empty database per test, on each backend that this machine has. For tests of every folder:
//
//   class PodStoreTest : public testing::TestWithParam<db::Backend> { db::TestDatabase database_{GetParam()}; };
//   GYRE_TEST_ON_EVERY_DATABASE(PodStoreTest);
//
// PostgreSQL is the one at GYRE_TEST_POSTGRES_URL (tests/postgres.sh starts one); without it those tests say SKIPPED.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <ostream>

#include "db/db.hpp"

namespace gyre::db {

enum class Backend { sqlite_memory, sqlite_file, postgres };
BOOST_DESCRIBE_ENUM(Backend, sqlite_memory, sqlite_file, postgres)
inline void PrintTo(Backend backend, std::ostream* out) { *out << enum_text(backend); }

class TestDatabase {
 public:
  explicit TestDatabase(Backend backend) : backend_(backend) {
    if (backend == Backend::sqlite_memory) {
      url_ = "sqlite::memory:";
    } else if (backend == Backend::sqlite_file) {
      std::string path = (std::filesystem::temp_directory_path() / "gyre-db-XXXXXX").string();
      folder_ = ::mkdtemp(path.data());
      url_ = "sqlite://" + (folder_ / "gyre.db").string();
    } else if (const char* server = ::getenv("GYRE_TEST_POSTGRES_URL")) {
      // A schema of its own: tests run side by side on one server and leave nothing behind.
      static int made = 0;
      server_ = server;
      schema_ = "test_" + std::to_string(::getpid()) + "_" + std::to_string(++made);
      open(server_)->script("CREATE SCHEMA " + schema_);
      url_ = server_ + (server_.find('?') == std::string::npos ? "?" : "&") + "options=-csearch_path%3D" + schema_;
    }
  }
  ~TestDatabase() {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
    if (!schema_.empty()) try {
        open(server_)->script("SET client_min_messages = warning; DROP SCHEMA " + schema_ + " CASCADE");
      } catch (const DbError&) {  // a test may have stopped the server
      }
  }
  TestDatabase(const TestDatabase&) = delete;
  TestDatabase& operator=(const TestDatabase&) = delete;

  bool available() const { return !url_.empty(); }                    // false: GTEST_SKIP
  bool shared() const { return backend_ != Backend::sqlite_memory; }  // a second connection sees the same rows
  const std::string& url() const { return url_; }
  std::unique_ptr<Connection> connect() const { return open(url_); }

 private:
  Backend backend_;
  std::filesystem::path folder_;
  std::string server_, schema_, url_;
};

inline constexpr const char* no_postgres = "GYRE_TEST_POSTGRES_URL is not set; see tests/postgres.sh";

// Two backends are always there; the third is skipped with its reason when there is no server for it.
#define GYRE_TEST_ON_EVERY_DATABASE(suite)                                                                       \
  INSTANTIATE_TEST_SUITE_P(On, suite,                                                                            \
                           testing::Values(::gyre::db::Backend::sqlite_memory, ::gyre::db::Backend::sqlite_file, \
                                           ::gyre::db::Backend::postgres),                                       \
                           [](const auto& on) { return std::string(::gyre::enum_text(on.param)); })

}  // namespace gyre::db
