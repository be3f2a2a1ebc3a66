#include "cli/cmd_serve.hpp"
