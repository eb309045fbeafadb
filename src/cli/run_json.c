/* run_json.c */
