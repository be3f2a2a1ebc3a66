#include "policy/schema.hpp"

namespace dbguard::policy {

// A literal, because it is a document of its own that people read; tests/policy/schema_test.cpp holds load() against it.
std::string_view json_schema() {
    return R"schema({
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "title": "dbguard policy, version 1",
  "type": "object", "additionalProperties": false,
  "required": ["dbguard", "policy", "identities", "roles"],
  "properties": {
    "dbguard": {"const": 1},
    "policy": {"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,62}$"},
    "mode": {"enum": ["enforce", "shadow"], "default": "enforce"},
    "identities": {"type": "object", "additionalProperties": {"$ref": "#/$defs/identity"}},
    "databases": {"type": "object", "additionalProperties": {"$ref": "#/$defs/database"}},
    "roles": {"type": "object", "additionalProperties": {"$ref": "#/$defs/role"}},
    "masks": {"type": "object", "additionalProperties": {"$ref": "#/$defs/maskset"}},
    "approvals": {"type": "object", "additionalProperties": {"$ref": "#/$defs/approval"}},
    "record": {"$ref": "#/$defs/record"}
  },
  "$defs": {
    "one_or_many": {"oneOf": [{"type": "string"}, {"type": "array", "minItems": 1, "uniqueItems": true, "items": {"type": "string"}}]},
    "duration": {"type": "string", "pattern": "^[1-9][0-9]*(ms|s|m|h|d)$"},
    "size": {"type": "string", "pattern": "^[1-9][0-9]*(KiB|MiB|GiB)$"},
    "class": {"type": "string", "pattern": "^(read|write|ddl|bulk|dcl|call|session|tx|lock|notify|maintenance|server|unparsed)(\\.[a-z_]+)*$"},
    "classes": {"oneOf": [{"$ref": "#/$defs/class"}, {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/class"}}]},
    "object": {"type": "string", "pattern": "^(\"([^\"]|\"\")+\"|[^.\"\\s]+)(\\.(\"([^\"]|\"\")+\"|[^.\"\\s]+)){1,2}$"},
    "objects": {"oneOf": [{"$ref": "#/$defs/object"}, {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/object"}}]},
    "identity": {
      "type": "object", "additionalProperties": false, "required": ["issuer", "audience", "claims"],
      "properties": {
        "issuer": {"type": "string", "format": "uri"}, "audience": {"type": "string"},
        "claims": {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/one_or_many"}},
        "kind": {"enum": ["human", "ci", "agent", "service"]},
        "mfa": {"enum": ["webauthn", "any"]}
      }
    },
    "database": {
      "type": "object", "additionalProperties": false, "required": ["engine"],
      "properties": {"engine": {"enum": ["postgres", "mysql"]}, "tags": {"type": "array", "items": {"type": "string"}}}
    },
    "role": {
      "type": "object", "additionalProperties": false, "required": ["for", "databases", "login", "rules"],
      "properties": {
        "for": {"$ref": "#/$defs/one_or_many"}, "databases": {"$ref": "#/$defs/one_or_many"},
        "login": {"type": "string", "description": "account the gateway uses at the database; never a password"},
        "session": {"type": "object", "additionalProperties": false, "properties": {"ttl": {"$ref": "#/$defs/duration"}, "idle": {"$ref": "#/$defs/duration"}, "max_open": {"type": "integer", "minimum": 1}}},
        "limits": {"type": "object", "additionalProperties": false, "properties": {
          "rows": {"type": "integer", "minimum": 1}, "bytes": {"$ref": "#/$defs/size"}, "time": {"$ref": "#/$defs/duration"},
          "statements": {"type": "integer", "minimum": 1}, "session_rows": {"type": "integer", "minimum": 1}, "affected": {"type": "integer", "minimum": 1},
          "over": {"enum": ["error", "cut"], "default": "error"}}},
        "rules": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/rule"}},
        "masks": {"$ref": "#/$defs/one_or_many"},
        "approve_session": {"type": "string", "description": "name under approvals: asked before the session opens"},
        "break_glass": {"type": "object", "additionalProperties": false, "required": ["notify"], "properties": {"notify": {"$ref": "#/$defs/one_or_many"}, "ttl": {"$ref": "#/$defs/duration"}, "review_within": {"$ref": "#/$defs/duration"}}},
        "mode": {"enum": ["enforce", "shadow"]}, "record": {"$ref": "#/$defs/record"}
      }
    },
    "rule": {
      "type": "object", "additionalProperties": false,
      "oneOf": [{"required": ["allow"]}, {"required": ["warn"]}, {"required": ["approve"]}, {"required": ["deny"]}],
      "dependentRequired": {"approve": ["by"]},
      "properties": {
        "allow": {"$ref": "#/$defs/classes"}, "warn": {"$ref": "#/$defs/classes"}, "approve": {"$ref": "#/$defs/classes"}, "deny": {"$ref": "#/$defs/classes"},
        "of": {"$ref": "#/$defs/objects"}, "when": {"$ref": "#/$defs/when"}, "by": {"type": "string"}, "at": {"enum": ["statement", "commit"]},
        "id": {"type": "string"}, "why": {"type": "string"}, "fix": {"type": "string"}, "shadow": {"type": "boolean"}
      }
    },
    "when": {
      "type": "object", "additionalProperties": false, "minProperties": 1,
      "properties": {
        "where": {"enum": ["present", "missing", "trivial"]}, "limit": {"enum": ["present", "missing"]},
        "estimated_rows": {"type": "string", "pattern": "^>[0-9]+$"}, "affected_rows": {"type": "string", "pattern": "^>[0-9]+$"},
        "rewrites_table": {"type": "boolean"}, "temporary": {"type": "boolean"}, "lock": {"enum": ["blocks_reads", "blocks_writes"]},
        "function": {"$ref": "#/$defs/one_or_many"}, "setting": {"$ref": "#/$defs/one_or_many"}, "in_plan": {"type": "boolean"}, "hours": {"type": "string"}
      }
    },
    "maskset": {
      "type": "object", "additionalProperties": false, "required": ["columns"],
      "properties": {
        "columns": {"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["with"],
          "anyOf": [{"required": ["column"]}, {"required": ["tag"]}, {"required": ["detect"]}],
          "properties": {"column": {"$ref": "#/$defs/objects"}, "tag": {"$ref": "#/$defs/one_or_many"}, "detect": {"$ref": "#/$defs/one_or_many"}, "in": {"$ref": "#/$defs/objects"},
            "keys": {"type": "array", "minItems": 1, "items": {"type": "string"}}, "with": {"type": "string", "pattern": "^(null|redact|replace|hash|email|keep|zero|(first|last|bucket)\\([0-9]+\\)|partial\\([0-9]+,[0-9]+\\)|date\\((year|month)\\))$"}}}},
        "derived": {"enum": ["mask", "deny"], "default": "deny"},
        "filter": {"enum": ["deny", "allow", "equality"], "default": "deny"}
      }
    },
    "approval": {
      "type": "object", "additionalProperties": false, "required": ["from"],
      "properties": {
        "from": {"$ref": "#/$defs/one_or_many"}, "quorum": {"type": "integer", "minimum": 1, "default": 1}, "each_group": {"type": "boolean"},
        "wait": {"$ref": "#/$defs/duration"}, "valid": {"$ref": "#/$defs/duration"}, "not": {"type": "array", "items": {"enum": ["author", "reviewer", "same_team"]}},
        "step_up": {"enum": ["webauthn", "none"]}, "show": {"type": "array", "items": {"enum": ["explain", "locks", "rows", "diff", "literals"]}},
        "reason": {"type": "boolean"}, "notify": {"$ref": "#/$defs/one_or_many"}
      }
    },
    "record": {
      "type": "object", "additionalProperties": false,
      "properties": {"sql": {"enum": ["shape", "masked", "full"]}, "results": {"enum": ["none", "shape", "masked"]}, "raw": {"enum": ["never", "sealed"]}, "keep": {"$ref": "#/$defs/duration"}, "to": {"$ref": "#/$defs/one_or_many"}}
    }
  }
}
)schema";
}

}  // namespace dbguard::policy
