# What dbguard is built with. Names of Debian 12 packages: scripts/dependencies installs them.
find_package(Threads REQUIRED)
find_package(Boost 1.81 REQUIRED COMPONENTS filesystem)
find_package(OpenSSL 3.0 REQUIRED)
find_package(CURL REQUIRED)
# Its headers only: net/http_client.cpp loads the library when the first request is made.
add_library(curl_headers INTERFACE)
target_include_directories(curl_headers SYSTEM INTERFACE $<TARGET_PROPERTY:CURL::libcurl,INTERFACE_INCLUDE_DIRECTORIES>)
find_package(SQLite3 REQUIRED)
find_package(nlohmann_json 3.11 CONFIG REQUIRED)
find_package(spdlog 1.10 CONFIG REQUIRED)
find_package(CLI11 2.1 CONFIG REQUIRED)
find_package(doctest 2.4 CONFIG REQUIRED)
find_package(yaml-cpp 0.7 CONFIG REQUIRED)
find_package(PkgConfig REQUIRED)

# libpg_query 17 is newer than Debian 12: scripts/dependencies unpacks it into build/deps (or DBGUARD_DEPS).
# Its package ships PostgreSQL's own node headers under pg_query/postgres.
set(DBGUARD_DEPS ${CMAKE_SOURCE_DIR}/build/deps CACHE PATH "Folder of unpacked packages")
find_path(PG_QUERY_INCLUDE pg_query.h HINTS ${DBGUARD_DEPS}/usr/include REQUIRED)
find_library(PG_QUERY_LIB NAMES libpg_query.a HINTS ${DBGUARD_DEPS}/usr/lib/x86_64-linux-gnu
             ${DBGUARD_DEPS}/usr/lib/aarch64-linux-gnu REQUIRED)
if(NOT EXISTS ${PG_QUERY_INCLUDE}/pg_query/postgres/nodes/parsenodes.h)
    message(FATAL_ERROR "libpg_query 17 or newer is needed (run scripts/dependencies)")
endif()
add_library(dbguard_pg_query INTERFACE)
target_include_directories(dbguard_pg_query SYSTEM INTERFACE
    ${PG_QUERY_INCLUDE} ${PG_QUERY_INCLUDE}/pg_query ${PG_QUERY_INCLUDE}/pg_query/postgres)
target_link_libraries(dbguard_pg_query INTERFACE ${PG_QUERY_LIB} protobuf-c m Threads::Threads)
