"""All steps in their order. REAL are those that make sense with a real model, whose words nobody knows beforehand."""
import steps_chat as chat
import steps_hard as hard
import steps_keep as kept
import steps_look as look
from steps_base import Drive  # noqa: F401, for drive.py

ALL = [chat.opens, chat.sends, chat.streams_and_tells_speed, chat.renders_markdown, chat.copies, chat.folds_thinking, chat.stops, chat.edits, chat.answers_again,
       chat.follows_the_end, kept.sends_settings, kept.refuses_wrong_settings, kept.sends_system_prompt, kept.lists_conversations, kept.outlives_a_reload,
       kept.exports_and_imports, kept.answers_beside_each_other, look.shows_server, look.shows_experts, look.chooses_a_model, look.changes_appearance, look.fits_a_phone,
       look.is_operable_by_keyboard, hard.asks_for_a_key, hard.tells_of_errors, hard.runs_no_script_of_a_model, hard.reads_huge_answers, hard.settles_like_it_streams,
       look.is_accessible, look.passes_axe, look.asked_nobody_else]

EXPERTS = [look.shows_a_models_experts]  # of a real model that has some
WITH_KEY = [hard.gives_a_server_its_key]  # of a real server that asks for one

REAL = [chat.opens, chat.sends_to_a_model, chat.stops_a_model, chat.edits_with_a_model, chat.answers_again_with_a_model, kept.sends_settings_to_a_server, kept.lists_conversations,
        kept.outlives_a_reload, kept.exports_and_imports, look.shows_server, look.changes_appearance, look.fits_a_phone, look.is_operable_by_keyboard, hard.tells_a_servers_errors,
        look.is_accessible, look.passes_axe, look.asked_nobody_else]
