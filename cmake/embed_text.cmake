# cmake -DOUT=FILE -DFILE=FILE -DHEADER=FILE -DNAMESPACE=NAME -DFUNCTION=NAME -P embed_text.cmake: one text as a C++
# string: FUNCTION of NAMESPACE, declared in HEADER, returns it as a std::string_view.
file(READ ${FILE} content)
file(WRITE ${OUT} "// Made by cmake/embed_text.cmake.\n#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n\n"
  "std::string_view ${FUNCTION}() { return R\"gyre_text(${content})gyre_text\"; }\n\n}  // namespace ${NAMESPACE}\n")
