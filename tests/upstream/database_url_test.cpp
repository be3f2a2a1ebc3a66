#include "upstream/database_url.hpp"

#include <doctest/doctest.h>

namespace dbguard::upstream {
namespace {

/// host|port|user|password|database|parameters, or the error's detail.
std::string print(const std::string& text) {
    const auto url = parse_database_url(text);
    if (!url) {
        CHECK(url.error().code == errc::bad_url);
        return url.error().detail;
    }
    std::string out = url->host + "|" + std::to_string(url->port) + "|" + url->user + "|" +
                      (url->password ? url->password->reveal() : "-") + "|" + url->database + "|";
    for (const auto& [name, value] : url->parameters) out += name + "=" + value + ";";
    return out;
}

}  // namespace

TEST_CASE("URLs are read into their parts") {
    const std::pair<const char*, const char*> table[] = {
        {"postgresql://app@db.example.com/shop", "db.example.com|5432|app|-|shop|"},
        {"postgres://app:pw@127.0.0.1:6543/shop", "127.0.0.1|6543|app|pw|shop|"},
        {"postgresql://db", "db|5432||-||"},
        {"postgresql://db/", "db|5432||-||"},
        {"postgresql://a%40b:p%3Aw%2F%25@h/d%20b", "h|5432|a@b|p:w/%|d b|"},
        {"postgresql://a:b:c@h/d", "h|5432|a|b:c|d|"},
        {"postgresql://a:@h/d", "h|5432|a||d|"},
        {"postgresql://u@[::1]:5433/d", "::1|5433|u|-|d|"},
        {"postgresql://u@[fe80::1%25eth0]/d", "fe80::1%eth0|5432|u|-|d|"},
        {"postgresql://u@h/d?sslmode=require&application_name=a%20b",
         "h|5432|u|-|d|sslmode=require;application_name=a b;"},
        {"postgresql://u@h/d?options=-c%20x%3D1", "h|5432|u|-|d|options=-c x=1;"},
        {"postgresql://h?user=u&password=p&dbname=d&port=1",
         "h|1|u|p|d|user=u;password=p;dbname=d;port=1;"},
        {"postgresql:///d?host=/var/run/postgresql",
         "/var/run/postgresql|5432||-|d|host=/var/run/postgresql;"},
        {"postgresql://u@%2Frun%2Fpg/d", "/run/pg|5432|u|-|d|"},
        {"postgresql:///d?host=::1", "::1|5432||-|d|host=::1;"},
        {"postgresql+psycopg2://u@h/d", "h|5432|u|-|d|"},
        {"postgresql+asyncpg://u@h/d", "h|5432|u|-|d|"},
        {"mysql://u@h/d", "h|3306|u|-|d|"},
        {"mysql2://u@h/d", "h|3306|u|-|d|"},
        {"mariadb+pymysql://u@h:3307/d?ssl-mode=DISABLED", "h|3307|u|-|d|ssl-mode=DISABLED;"},
        {"postgresql://u@h/d?a=1&a=1", "h|5432|u|-|d|a=1;a=1;"},
        {"postgresql://u@h/d?a=+", "h|5432|u|-|d|a=+;"},
        {"postgresql://u@h/d?a=", "h|5432|u|-|d|a=;"},
    };
    for (const auto& [text, expected] : table) {
        CAPTURE(text);
        CHECK(print(text) == expected);
    }
    CHECK(parse_database_url("postgres://h/d")->engine == Engine::postgres);
    CHECK(parse_database_url("mysql2://h/d")->engine == Engine::mysql);
    CHECK(parse_database_url("postgresql+psycopg://h/d")->scheme == "postgresql+psycopg");
}

TEST_CASE("bad URLs are refused with what and where") {
    const std::pair<const char*, const char*> table[] = {
        {"", "no scheme: postgresql://USER@HOST/DATABASE expected, at character 1"},
        {"host=db user=app", "a space or control character, at character 8"},
        {"db.example.com", "no scheme: postgresql://USER@HOST/DATABASE expected, at character 1"},
        {"http://h/d",
         "unknown scheme (postgresql, postgres, mysql, mysql2 and mariadb are known), at character "
         "1"},
        {"jdbc:postgresql://h/d",
         "unknown scheme (postgresql, postgres, mysql, mysql2 and mariadb are known), at character "
         "1"},
        {"PostgreSQL://h/d",
         "unknown scheme (postgresql, postgres, mysql, mysql2 and mariadb are known), at character "
         "1"},
        {"postgresql+://h/d", "bad driver name in the scheme, at character 12"},
        {"postgresql+a-b://h/d", "bad driver name in the scheme, at character 12"},
        {"postgresql:///d", "no host, at character 14"},
        {"postgresql://", "no host, at character 14"},
        {"postgresql://u:p@/d", "no host, at character 18"},
        {"postgresql://u:p@:5432/d", "no host, at character 18"},
        {"postgresql://h1,h2/d", "several hosts: name one, at character 16"},
        {"postgresql://h1:1,h2:2/d", "several hosts: name one, at character 18"},
        {"postgresql://h1%2Ch2/d", "several hosts: name one, at character 14"},
        {"postgresql:///d?host=a,b", "several hosts: name one, at character 17"},
        {"postgresql://u:a%zz@h/d", "bad percent-encoding, at character 17"},
        {"postgresql://u:100%@h/d", "bad percent-encoding, at character 19"},
        {"postgresql://h/d%4", "bad percent-encoding, at character 17"},
        {"postgresql://h/d%00", "bad percent-encoding, at character 17"},
        {"postgresql://h/d?a=%", "bad percent-encoding, at character 20"},
        {"postgresql://u:p@ss@h/d",
         "an @ in user or password must be written %40, at character 17"},
        {"postgresql://u:p#ss@h/d", "a # must be written %23, at character 17"},
        {"postgresql://u:p/ss@h/d", "the port is not a number from 1 to 65535, at character 16"},
        {"postgresql://h:/d", "the port is not a number from 1 to 65535, at character 16"},
        {"postgresql://h:0/d", "the port is not a number from 1 to 65535, at character 16"},
        {"postgresql://h:65536/d", "the port is not a number from 1 to 65535, at character 16"},
        {"postgresql://h:-1/d", "the port is not a number from 1 to 65535, at character 16"},
        {"postgresql://h/d?port=x", "the port is not a number from 1 to 65535, at character 18"},
        {"postgresql://[::1/d", "no ] behind an IPv6 address, at character 14"},
        {"postgresql://[::g]/d", "not an IPv6 address, at character 15"},
        {"postgresql://[::1]5432/d", "unexpected text behind ], at character 19"},
        {"postgresql://::1/d", "the port is not a number from 1 to 65535, at character 15"},
        {"postgresql://h!st/d", "not a host name, at character 14"},
        {"postgresql://h\xc3\xb6st/d", "not a host name, at character 14"},
        {"postgresql://h/d/e", "a / in the database's name must be written %2F, at character 17"},
        {"postgresql://h/d?a", "a parameter is not NAME=VALUE, at character 18"},
        {"postgresql://h/d?=1", "a parameter is not NAME=VALUE, at character 18"},
        {"postgresql://h/d?a=1&", "a parameter is missing behind &, at character 22"},
        {"postgresql://h/d?a=1&&b=2", "a parameter is not NAME=VALUE, at character 22"},
        {"postgresql://h/d?sslmode=require&sslmode=disable",
         "a parameter is given twice with different values, at character 34"},
        {"postgresql://h/d?host=other",
         "the host is given twice with different values, at character 18"},
        {"postgresql://h:1/d?port=2",
         "the port is given twice with different values, at character 20"},
        {"postgresql://u@h/d?user=v",
         "the user is given twice with different values, at character 20"},
        {"postgresql://h/d?dbname=e",
         "the database is given twice with different values, at character 18"},
        {"postgresql://u:p@h/d?password=q",
         "the password is given twice with different values, at character 22"},
        {"postgresql://h/d\n", "a space or control character, at character 17"},
    };
    for (const auto& [text, expected] : table) {
        CAPTURE(text);
        CHECK(print(text) == expected);
    }
}

TEST_CASE("no error repeats a password, whatever is wrong") {
    const std::string good = "postgresql://app:tr0ub4dor@db.example.com:5432/shop?sslmode=require";
    for (std::size_t at = 0; at <= good.size(); ++at) {
        for (const char c : {'%', '#', '@', '[', ' ', ',', '/', '?', '\\', '\0'}) {
            auto text = good;
            text.insert(at, 1, c);
            const auto url = parse_database_url(text);
            if (url) continue;
            CHECK(url.error().detail.find("tr0") == std::string::npos);
            CHECK(url.error().detail.find("dor") == std::string::npos);
        }
    }
}

}  // namespace dbguard::upstream
