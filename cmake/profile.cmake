# With DBGUARD_PROFILE a release is optimised by what tests/training runs: its rooms are built once with the compiler's counters (in
# BUILD/training), it runs, and the build proper is laid out by the counts. That takes a third as long again, and a statement of a new
# shape costs a fifth less. The counts stay until BUILD/training.profdata is removed: code that changed since has none.

# dbguard_use_profile(TARGET SOURCES): they are compiled when the counts are there.
function(dbguard_use_profile target sources)
    if(DBGUARD_PROFILE AND sources)
        set_source_files_properties(${sources} PROPERTIES OBJECT_DEPENDS ${DBGUARD_PROFILE_DATA})
        add_dependencies(${target} dbguard_profile)
    endif()
endfunction()

if(NOT DBGUARD_PROFILE)
    return()
endif()
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "DBGUARD_PROFILE needs clang")
endif()
string(REGEX MATCH "^[0-9]+" clang_major ${CMAKE_CXX_COMPILER_VERSION})
find_program(LLVM_PROFDATA NAMES llvm-profdata-${clang_major} llvm-profdata REQUIRED)
set(DBGUARD_PROFILE_DATA ${CMAKE_BINARY_DIR}/training.profdata)
set(training ${CMAKE_BINARY_DIR}/training)
add_custom_command(OUTPUT ${DBGUARD_PROFILE_DATA}
    COMMAND ${CMAKE_COMMAND} -S ${CMAKE_SOURCE_DIR} -B ${training} -G ${CMAKE_GENERATOR} -DCMAKE_BUILD_TYPE=Release
            -DCMAKE_C_COMPILER=${CMAKE_C_COMPILER} -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER} "-DCMAKE_EXE_LINKER_FLAGS=${CMAKE_EXE_LINKER_FLAGS}"
            "-DCMAKE_CXX_FLAGS_RELEASE=-O2 -DNDEBUG -fprofile-generate" -DDBGUARD_DEPS=${DBGUARD_DEPS} -DDBGUARD_TESTS=OFF
    COMMAND ${CMAKE_COMMAND} --build ${training} --target dbguard_training
    COMMAND ${CMAKE_COMMAND} -E rm -rf ${training}/counts
    COMMAND ${CMAKE_COMMAND} -E env LLVM_PROFILE_FILE=${training}/counts/%p.profraw ${training}/tests/training/dbguard_training ${CMAKE_SOURCE_DIR}
    COMMAND ${LLVM_PROFDATA} merge -o ${DBGUARD_PROFILE_DATA} ${training}/counts
    COMMENT "Counting what tests/training runs (a build of its own)" VERBATIM)
add_custom_target(dbguard_profile DEPENDS ${DBGUARD_PROFILE_DATA})
target_compile_options(dbguard_options INTERFACE -fprofile-use=${DBGUARD_PROFILE_DATA}
    -Wno-profile-instr-unprofiled -Wno-profile-instr-out-of-date -Wno-backend-plugin)
